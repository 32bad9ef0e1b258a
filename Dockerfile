# The image: the official Python image, the locked dependencies, the application. Build it with `make image`.
#
#   PYTHON_IMAGE  the base; any image with the layout of the official python:<version>-slim
#   APP_DIR       the folder of the application; WSGI_APP names what is served of it
#   REQUIREMENTS  the dependencies of the application and of nodrop, pinned and hashed;
#                 requirements-otel.txt has OpenTelemetry too
#   VERSION       what the application reports and the image is labelled with
#   REVISION      the source's commit, for the label

ARG PYTHON_IMAGE=python:3.13-slim

# The dependencies alone: this stage is rebuilt only when they change.
FROM ${PYTHON_IMAGE} AS dependencies
# For networks with a mirror of their own; this stage does not reach the final image, nor does the value.
ARG PIP_INDEX_URL
WORKDIR /build
ARG REQUIREMENTS=requirements.txt
COPY ${REQUIREMENTS} requirements.txt
# Without pip and scripts for shells: the image that serves has no use for them.
RUN python -m venv --without-pip /opt/venv \
 && pip --python /opt/venv/bin/python install \
      --no-cache-dir --no-compile --disable-pip-version-check --require-hashes --only-binary :all: \
      --requirement requirements.txt \
 && rm /opt/venv/bin/[Aa]ctivate*

# nodrop as a wheel, built from this checkout with a pinned builder.
FROM ${PYTHON_IMAGE} AS wheel
ARG PIP_INDEX_URL
WORKDIR /build
COPY requirements-build.txt .
RUN pip install --no-cache-dir --disable-pip-version-check --root-user-action ignore --require-hashes \
      --requirement requirements-build.txt
COPY pyproject.toml LICENSE ./
# With its README.md, the wheel's description.
COPY nodrop nodrop
RUN pip wheel --no-deps --no-build-isolation --disable-pip-version-check --wheel-dir /wheel .

# Both together, and byte code for everything, because the root file system is read-only when it runs.
FROM ${PYTHON_IMAGE} AS installed
COPY --from=dependencies /opt/venv /opt/venv
RUN --mount=from=wheel,source=/wheel,target=/wheel \
    pip --python /opt/venv/bin/python install --no-index --no-deps --no-compile --disable-pip-version-check /wheel/*.whl
# unchecked-hash: Python loads it without asking for the source's date, which copying changes. no_debug_ranges: smaller,
# and quicker to load; in return, tracebacks mark the part of a line in lines of the application only. Without what no
# server imports, which is left as it is: other kinds of worker and server, what tests, terminals and Windows need.
RUN /opt/venv/bin/python -X no_debug_ranges -m compileall -q --invalidation-mode unchecked-hash -x "$(printf '%s|' \
      'gunicorn/(asgi|ctl|dirty|http2|instrument|uwsgi|app/pasterapp|workers/(base_async|gasgi|ggevent|gtornado|sync))\b' \
      'prometheus_(client/(aiohttp|bridge|django|twisted|parser|openmetrics/parser)|flask_exporter/multiprocess)\b' \
      'werkzeug/(testapp|_reloader|middleware/(http_proxy|lint|profiler))\b' \
      'click/(testing|shell_completion|_termui_impl|_winconsole)\b' 'jinja2/(ext|meta|nativetypes|sandbox)\b')flask/testing\b" /opt/venv/lib

# The application alone: all that is built again when it changes.
FROM ${PYTHON_IMAGE} AS application
WORKDIR /srv
ARG APP_DIR=app
COPY ${APP_DIR} ${APP_DIR}
# Whatever the umask of the checkout, the server's user must be able to read it.
RUN chmod -R a+rX . && python -m compileall -q --invalidation-mode unchecked-hash .

FROM ${PYTHON_IMAGE}
# The official slim image has no byte code of the standard library, which costs every start a third of a second;
# what no server imports is left as it is. The server's user has a name and a home, which some libraries ask for.
RUN python -m compileall -q --invalidation-mode unchecked-hash \
      -x '/(test|idlelib|tkinter|turtledemo|ensurepip|lib2to3|site-packages|dist-packages)/' \
      "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
 && echo 'app:x:10001:10001:The server:/tmp:/usr/sbin/nologin' >> /etc/passwd \
 && echo 'app:x:10001:' >> /etc/group
COPY --from=installed /opt/venv /opt/venv
COPY --from=application /srv /srv
WORKDIR /srv
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
ARG VERSION=dev
ARG REVISION=unknown
ARG WSGI_APP=
ENV APP_VERSION=${VERSION} \
    APP_REVISION=${REVISION} \
    WSGI_APP=${WSGI_APP}
LABEL org.opencontainers.image.title="flask-app" \
      org.opencontainers.image.description="A Flask application served for production" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
# A number, so that Kubernetes can see that it is not root.
USER 10001:10001
EXPOSE 5000 5001
STOPSIGNAL SIGTERM
# Exec form: gunicorn is process 1 and gets SIGTERM itself; a shell in between would swallow it.
CMD ["gunicorn", "--config", "python:nodrop.gunicorn"]
