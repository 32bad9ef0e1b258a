# The image: the official Python image, the locked dependencies, the application. Build it with `make image`, which
# sets the arguments below. `docker build .` builds the example.
#
#   PYTHON_IMAGE  the base; any image with the layout of the official python:<version>-slim
#   APP_DIR       the folder of the application, and APP_TARGET its place in /srv; WSGI_APP names what is served of it
#   IMPORT_PATH   the folders that Python imports from besides /srv
#   REQUIREMENTS  the dependencies of the application and of nodrop, pinned and hashed;
#                 requirements-otel.txt has OpenTelemetry too
#   APT           Debian packages that the application needs; APT_BUILD: those that only building its wheels needs
#   FRONTEND      npm: build the folder FRONTEND_DIR of the application with npm, in NODE_IMAGE
#   PACKAGE       the version of the application where it is a package of its own, which is installed; else empty
#   BUILD_STEPS   commands that run in /srv once the application is there
#   TITLE         the name of the application, for the label
#   VERSION       what the application reports and the image is labelled with
#   REVISION      the source's commit, for the label
#
# The secrets pip.conf, netrc and npmrc hold package indexes and their credentials. They reach no layer and no label.

ARG PYTHON_IMAGE=python:3.13-slim
ARG NODE_IMAGE=node:24-slim
ARG FRONTEND=none

FROM ${PYTHON_IMAGE} AS python

# The dependencies alone: this stage is rebuilt only when they change.
FROM python AS dependencies
WORKDIR /build
ARG APT_BUILD=
ARG REQUIREMENTS=requirements.txt
COPY ${REQUIREMENTS} requirements.txt
# What has no hash: packages from git, and folders of the repository. The example has none, and so no such folder.
COPY unhashe[d] unhashed
# Published wheels need no compiler. Where a package has none, it is built, with the compiler and the packages of
# APT_BUILD, none of which reaches the image. --no-deps: the lock is complete, and may override what packages ask for.
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=secret,id=pip.conf,target=/etc/pip.conf --mount=type=secret,id=netrc,target=/root/.netrc \
    set -eu; export PIP_DISABLE_PIP_VERSION_CHECK=1 DEBIAN_FRONTEND=noninteractive; \
    get() { pip wheel --no-deps --wheel-dir /build/wheels "$@"; }; \
    dpkg-query --show --showformat '${Package}\n' > /build/base-packages; \
    if [ -n "$APT_BUILD" ] || [ -d unhashed ] || \
       ! get --only-binary :all: --require-hashes --requirement requirements.txt; then \
      echo 'some packages have no wheel for this Python: they are built'; \
      # The official image has Python's headers; where the base has Debian's Python, they are a package.
      [ -f "$(python -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ] || headers=python3-dev; \
      apt-get update -q; \
      apt-get install -qq --no-install-recommends build-essential git pkg-config ${headers-} $APT_BUILD; \
      get --require-hashes --requirement requirements.txt; \
      if [ -d unhashed ]; then cd unhashed; get --requirement requirements.txt; fi; \
    fi
# Without pip and scripts for shells: the image that serves has no use for them.
RUN python -m venv --without-pip /opt/venv \
 && pip --python /opt/venv/bin/python install \
      --no-index --no-deps --no-cache-dir --no-compile --disable-pip-version-check /build/wheels/*.whl \
 && rm /opt/venv/bin/[Aa]ctivate*
# The Debian packages whose libraries the wheels that were built here load, such as libpq5.
RUN mkdir /build/compiled /build/needed && cd /build/compiled \
 && for wheel in /build/wheels/*-linux_*.whl; do [ ! -f "$wheel" ] || python -m zipfile --extract "$wheel" .; done \
 && find . -name '*.so*' -exec ldd {} + | awk '$3 ~ "^/" {print $3}' | sort -u | xargs --no-run-if-empty realpath \
    | xargs --no-run-if-empty dpkg-query --search | cut -d: -f1 | sort -u \
    | { grep --line-regexp --fixed-strings --invert-match --file=/build/base-packages || true; } > /build/needed/packages

# nodrop as a wheel, built from this checkout with a pinned builder.
FROM python AS wheel
WORKDIR /build
COPY requirements-build.txt .
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf --mount=type=secret,id=netrc,target=/root/.netrc \
    pip install --no-cache-dir --disable-pip-version-check --root-user-action ignore --require-hashes \
      --requirement requirements-build.txt
COPY pyproject.toml LICENSE ./
# With its README.md, the wheel's description.
COPY nodrop nodrop
RUN pip wheel --no-deps --no-build-isolation --disable-pip-version-check --wheel-dir /wheel .

# Both together, and byte code for everything, because the root file system is read-only when it runs.
FROM python AS installed
COPY --from=dependencies /opt/venv /opt/venv
RUN --mount=from=wheel,source=/wheel,target=/wheel \
    pip --python /opt/venv/bin/python install --no-index --no-deps --no-compile --disable-pip-version-check /wheel/*.whl
# unchecked-hash: Python loads it without asking for the source's date, which copying changes. no_debug_ranges: smaller,
# and quicker to load; in return, tracebacks mark the part of a line in lines of the application only. Without what no
# server imports, which is left as it is: other kinds of worker and server, what tests, terminals and Windows need.
# `|| true`: some packages have files for other versions of Python, which can't be compiled and are not imported.
RUN /opt/venv/bin/python -X no_debug_ranges -m compileall -q --invalidation-mode unchecked-hash -x "$(printf '%s|' \
      'gunicorn/(asgi|ctl|dirty|http2|instrument|uwsgi|app/pasterapp|workers/(base_async|gasgi|ggevent|gtornado|sync))\b' \
      'prometheus_(client/(aiohttp|bridge|django|twisted|parser|openmetrics/parser)|flask_exporter/multiprocess)\b' \
      'werkzeug/(testapp|_reloader|middleware/(http_proxy|lint|profiler))\b' \
      'click/(testing|shell_completion|_termui_impl|_winconsole)\b' 'nodrop/commands/(dev|reload)\w*\b' 'jinja2/(ext|meta|nativetypes|sandbox)\b')flask/testing\b" /opt/venv/lib \
    || true

# What the image has before the dependencies and the application.
FROM python AS runtime
# The official slim image has no byte code of the standard library, which costs every start a third of a second;
# what no server imports is left as it is. The server's user has a name and a home, which some libraries ask for.
RUN python -m compileall -q --invalidation-mode unchecked-hash \
      -x '/(test|idlelib|tkinter|turtledemo|ensurepip|lib2to3|site-packages|dist-packages)/' \
      "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
 && echo 'app:x:10001:10001:The server:/tmp:/usr/sbin/nologin' >> /etc/passwd \
 && echo 'app:x:10001:' >> /etc/group
ARG APT=
RUN --mount=from=dependencies,source=/build/needed,target=/needed \
    set -eu; packages="$APT $(cat /needed/packages)"; \
    if [ -n "$(echo $packages)" ]; then \
      export DEBIAN_FRONTEND=noninteractive; apt-get update -q; \
      apt-get install -qq --no-install-recommends $packages; apt-get clean; rm -rf /var/lib/apt/lists/* /var/log/*.log; \
    fi
WORKDIR /srv

# Node of Debian, for networks that reach package mirrors and no image registry: NODE_IMAGE=debian-node.
FROM python AS debian-node
RUN apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends nodejs npm

# The application alone: its source, with what its frontend is built to.
FROM ${NODE_IMAGE} AS frontend
WORKDIR /srv
ARG APP_DIR=app
ARG APP_TARGET=${APP_DIR}
ARG FRONTEND_DIR=.
# The packages first: they change less often than the source.
COPY frontend ./
RUN --mount=type=cache,target=/root/.npm --mount=type=secret,id=npmrc,target=/root/.npmrc \
    cd "${APP_TARGET}/${FRONTEND_DIR}" && npm ci --no-audit --no-fund --no-update-notifier
COPY ${APP_DIR} ${APP_TARGET}
RUN cd "${APP_TARGET}/${FRONTEND_DIR}" && npm run build && rm -rf node_modules

FROM scratch AS source-npm
COPY --from=frontend /srv /

FROM scratch AS source-none
ARG APP_DIR=app
ARG APP_TARGET=${APP_DIR}
COPY ${APP_DIR} ${APP_TARGET}

FROM source-${FRONTEND} AS source

# All that is built again when the application changes.
FROM runtime AS application
COPY --from=installed /opt/venv /opt/venv
COPY --from=source / ./
ARG IMPORT_PATH=
ARG WSGI_APP=
ARG PACKAGE=
ARG BUILD_STEPS=
# Installed in place, so that its metadata and commands are there and its code stays in /srv. Its version is what git
# says on the machine that builds: the repository's history is not here. What is installed goes into a layer of its own.
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=secret,id=pip.conf,target=/etc/pip.conf --mount=type=secret,id=netrc,target=/root/.netrc \
    set -eu; mkdir /package; export PATH="/opt/venv/bin:$PATH" PYTHONDONTWRITEBYTECODE=1; \
    if [ -n "$PACKAGE" ]; then \
      touch /build-began; \
      SETUPTOOLS_SCM_PRETEND_VERSION="$PACKAGE" PBR_VERSION="$PACKAGE" PDM_BUILD_SCM_VERSION="$PACKAGE" \
      POETRY_DYNAMIC_VERSIONING_BYPASS="$PACKAGE" \
        pip --python /opt/venv/bin/python install --no-deps --no-compile --disable-pip-version-check --editable .; \
      find /opt/venv -cnewer /build-began ! -type d -print0 \
        | tar --create --null --files-from=- --absolute-names | tar --extract --directory=/package; \
    fi
# Whatever the umask of the checkout, the server's user must be able to read it. What is not valid Python here, such as
# a template of a module, is imported by nobody.
RUN set -eu; export PATH="/opt/venv/bin:$PATH" PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$IMPORT_PATH"; \
    if [ -n "$BUILD_STEPS" ]; then HOME=/tmp nodrop run -- sh -euxc "$BUILD_STEPS"; fi; \
    chmod -R a+rX . && { python -m compileall -q --invalidation-mode unchecked-hash . || true; }

FROM runtime
COPY --from=installed /opt/venv /opt/venv
COPY --from=application /package /
COPY --from=application /srv /srv
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
ARG TITLE=flask-app
ARG VERSION=dev
ARG REVISION=unknown
ARG WSGI_APP=
ARG IMPORT_PATH=
ENV APP_VERSION=${VERSION} \
    APP_REVISION=${REVISION} \
    WSGI_APP=${WSGI_APP} \
    PYTHONPATH=${IMPORT_PATH}
LABEL org.opencontainers.image.title="${TITLE}" \
      org.opencontainers.image.description="A Flask application served for production" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# A number, so that Kubernetes can see that it is not root.
USER 10001:10001
EXPOSE 5000 5001
STOPSIGNAL SIGTERM
# Exec form: gunicorn is process 1 and gets SIGTERM itself; a shell in between would swallow it.
CMD ["gunicorn", "--config", "python:nodrop.gunicorn"]
