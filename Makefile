# The front door: `make` lists what there is. Needs Python 3.11+ and make; everything else is set up by the targets.

include versions.env

PYTHON      ?= python3
# The name of the release; by default that of the application, or flask-app without APP.
RELEASE     ?=
NAMESPACE   ?= default
CLUSTER     ?= flask-app
PORT        ?= 5000
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
REVISION    ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
IMAGE       ?= flask-app:dev
REQUIREMENTS ?= requirements.txt
TIMEOUT     ?= 5m
ARGS        ?=
# Where `make run` listens, with both ports. The image listens at every address, as a pod needs.
BIND_ADDRESS ?= 127.0.0.1
WHEELS      ?= build/wheel
# Processes that `make test` runs tests in.
JOBS        ?= 6
# Your own application: its folder beside app/, and what WSGI_APP names in it; by default the folder, as a package.
# Both empty: the example.
APP_DIR     ?=
WSGI_APP    ?=
# The application: a folder or a git address. ENV, a file of its settings, is given on make's command line: shells have
# a variable of this name for something else.
APP         ?=
env_file     = $(if $(filter command line,$(origin ENV)),$(ENV))

,      := ,
VENV   := .venv
PY     := $(VENV)/bin/python
# As it stands in this checkout, so that a change of it counts at once.
install_nodrop = $(1) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
# With bytecode kept, whatever the environment says: each server that a test starts would compile everything again.
pytest  = PYTHONDONTWRITEBYTECODE= PYTHONPYCACHEPREFIX='$(CURDIR)/build/bytecode' $(PY) $(if $(counted),-m coverage run )-m pytest
# What takes long is left to CI, as is counting the branches that the tests take. `make test CI=true` does all of it.
counted  = $(if $(ARGS),,$(CI))
but_long = $(if $(CI),, and not long)
# What detection/, images/ and deployment/ are run with.
TOOLS_VENV := build/venv/tools
with_tools  = PYTHONPATH='$(CURDIR):$(CURDIR)/scripts' $(TOOLS_VENV)/bin/python
described   = $(if $(APP),--app '$(APP)') $(if $(env_file),--env '$(env_file)') $(if $(RELEASE),--release '$(RELEASE)') \
                --namespace '$(NAMESPACE)' $(if $(VALUES),--values '$(VALUES)')
tool    = $$($(PYTHON) scripts/tools.py path $(1))

# The application's own dependencies, and where they are pinned together with those of the serving layer.
app          := $(patsubst %/,%,$(APP_DIR))
app_requires := $(if $(app),$(firstword $(wildcard $(addprefix $(app)/,requirements.in requirements.txt pyproject.toml))))
app_lock     := $(if $(app_requires),$(app)/requirements.lock)
app_venv     := $(if $(app_requires),build/venv/$(app),$(VENV))
locked       := $(filter-out requirements.txt,$(or $(app_lock),$(REQUIREMENTS)))
app_name     := $(or $(WSGI_APP),$(subst /,.,$(filter-out app,$(patsubst ./%,%,$(app)))))
app_args     := $(strip $(if $(app),--build-arg 'APP_DIR=$(app)') $(if $(locked),--build-arg 'REQUIREMENTS=$(locked)') \
                  $(if $(app_name),--build-arg 'WSGI_APP=$(app_name)'))
ifneq ($(app),)
ifeq ($(wildcard $(app)/.),)
$(error APP_DIR=$(APP_DIR) is not a folder in $(CURDIR): put the folder of the application there, beside app/)
endif
endif

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: require-python
require-python:
	@$(PYTHON) scripts/make_venv.py

# --- On this machine -----------------------------------------------------------------------------------------------

.PHONY: run
run: $(if $(STRICT)$(APP),$(TOOLS_VENV)/complete,$(app_venv)/runtime) ## Serve APP=../shop on http://localhost:5000 (ENV, PORT, BIND_ADDRESS; STRICT=1 as in a pod; WORKERS=1)
	@$(if $(STRICT),$(run_strictly),$(if $(APP),$(call developing,run) $(locally) --address '$(BIND_ADDRESS)',$(run_here)))

developing = exec env $(with_tools) -m delivery.development $(1)
locally  = --app '$(APP)' --port '$(PORT)' $(if $(env_file),--env '$(env_file)') $(if $(WORKERS),--workers)
run_here = PORT=$(PORT) BIND_ADDRESS='$(BIND_ADDRESS)' WSGI_APP='$(app_name)' exec $(app_venv)/bin/gunicorn --config python:nodrop.gunicorn
run_strictly = $(with_tools) -m delivery.development.strict $(if $(APP),'$(APP)') --port $(PORT) --address '$(BIND_ADDRESS)' $(if $(env_file),--env '$(env_file)')

.PHONY: dev
dev: $(if $(APP),$(TOOLS_VENV)/complete,$(app_venv)/runtime) ## Develop APP=../shop: serve as run, reload on change, show errors in a debugger
	@$(if $(APP),$(call developing,dev) $(locally),$(dev_here))

dev_here = PORT=$(PORT) WSGI_APP='$(app_name)' exec $(app_venv)/bin/nodrop dev

.PHONY: test
test: $(VENV)/development ## Check everything that needs no cluster
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(PY) scripts/chart_values --check
	$(PY) scripts/settings_docs.py --check
	$(PY) scripts/options_docs.py --check
	$(PY) scripts/metrics_docs.py --check
	$(PY) scripts/proof_docs.py --check
	$(PY) -m bench.figures.page --check
	@mkdir -p build/coverage && rm -f build/coverage/*
	@# Most tests wait, so many run at once; those that measure time or CPU run afterwards, one at a time.
	$(if $(ARGS),$(pytest) $(ARGS),$(pytest) --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder -m 'not alone$(but_long)')
	$(if $(ARGS),@:,$(pytest) -m 'alone$(but_long)')
	@$(if $(counted),$(PY) -m coverage combine --quiet && $(PY) -m coverage report && \
	  $(PY) -m coverage json --quiet -o build/coverage/report.json && \
	  $(PY) scripts/branch_coverage.py build/coverage/report.json,:)
	$(if $(counted),$(PY) -m bench.guard,@:)

# Tests that find no browser, HAProxy, nginx or Prometheus are skipped with that reason, and in CI they fail.
.PHONY: test-packages
test-packages: ## Install what some tests use, where it is missing (Debian, Ubuntu): a browser, HAProxy, nginx, Prometheus
	@missing=$$(PATH=$$PATH:/usr/sbin; command -v chromium >/dev/null || command -v chromium-browser >/dev/null || \
	  command -v google-chrome >/dev/null || echo chromium fonts-dejavu-core; command -v haproxy >/dev/null || echo haproxy; \
	  command -v nginx >/dev/null || echo nginx-light; command -v promtool >/dev/null || echo prometheus); \
	[ -z "$$missing" ] || { sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); $$sudo apt-get update && \
	  $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $$missing; }

.PHONY: bench
bench: $(VENV)/development build/venv/bench/servers ## Compare servers in 15 minutes (ARGS='--servers nodrop,granian --workloads hello')
	@$(PY) -m bench $(ARGS)

.PHONY: bench-guard
bench-guard: $(VENV)/development ## Check that a request is not dearer than it was, compared with gunicorn's threads
	@$(PY) -m bench.guard

.PHONY: bench-publish
bench-publish: $(VENV)/development ## Show the figures and the picture of the last complete `make bench` in docs/speed.md
	@$(PY) -m bench.figures.publish

.PHONY: values
values: $(VENV)/development ## Measure APP=../shop here, and compute values for the chart (PATHS='/ /search?q=x', ENV, VALUES)
	@$(PY) -m delivery.sizing '$(APP)' $(foreach path,$(PATHS),--url '$(path)') $(if $(ENV),--env '$(ENV)') \
	  $(if $(VALUES),--output '$(VALUES)') $(ARGS)

# What nodrop requires is in pyproject.toml alone. The image installs nodrop without looking at it again.
.PHONY: lock
lock: $(VENV)/development ## Pin and hash the requirements, of APP_DIR alone if it is given (ARGS=--upgrade)
	@compile() { \
	  $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --custom-compile-command 'make lock' $(ARGS) --output-file "$$@"; \
	} && $(if $(app),$(if $(app_lock),compile $(app_lock) pyproject.toml $(app_requires),echo '$(app) has no requirements.in$(,) \
	  requirements.txt or pyproject.toml: there is nothing to pin'),compile requirements.txt pyproject.toml requirements.in && \
	  compile requirements-otel.txt --extra otel pyproject.toml requirements-otel.in && \
	  compile bench/requirements.txt pyproject.toml bench/requirements.in && \
	  for name in requirements-build requirements-tools requirements-dev tests/applications k8s-tests/background/image/requirements; do compile $$name.txt $$name.in || exit 1; done)

.PHONY: wheel
wheel: $(VENV)/runtime ## Build nodrop, the serving layer, as a wheel in build/wheel (WHEELS=folder)
	@$(PY) -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir '$(WHEELS)' .
	@ls '$(WHEELS)'/nodrop-*.whl

.PHONY: docs
docs: $(VENV)/development ## Write the tables of the chart's values, settings, gunicorn's options, metrics, proof and speed
	$(PY) scripts/chart_values
	$(PY) scripts/settings_docs.py
	$(PY) scripts/options_docs.py
	$(PY) scripts/metrics_docs.py
	$(PY) scripts/proof_docs.py
	$(PY) -m bench.figures.page

.PHONY: tools
tools: require-python ## Get helm, kind and kubectl, and print the line that puts them on PATH
	@paths=$(call tool,helm kind kubectl) && \
	  printf 'export PATH="%s:$$PATH"\n' "$$(printf '%s\n' $$paths | xargs -n1 dirname | sort -u | paste -sd: -)"

.PHONY: image
image: require-python $(app_lock) $(if $(APP),$(TOOLS_VENV)/complete) ## Build the image as IMAGE=name:tag (default flask-app:dev; APP=../shop, REQUIREMENTS)
	@$(PYTHON) scripts/cluster.py require-engine
	@$(if $(APP),$(with_tools),$(PYTHON)) -m delivery.images $(if $(APP),'$(APP)',$(app_args)) --image '$(IMAGE)' \
	  $(if $(APP),$(if $(filter file,$(origin VERSION)),,--version '$(VERSION)'),--version '$(VERSION)' --revision $(REVISION))

# --- In your own repository ----------------------------------------------------------------------------------------

.PHONY: new
new: $(VENV)/development ## Write a new application to APP=../shop (NAME=shop; EJECT=true for the files of eject too)
	@PYTHONPATH='$(CURDIR):$(CURDIR)/scripts' $(PY) -m delivery.ejection new '$(APP)' $(if $(NAME),--name '$(NAME)') $(if $(EJECT),--eject)

.PHONY: eject
eject: $(VENV)/development ## Write what builds and deploys APP=../shop without this checkout into it (DOCKERFILE, FORCE)
	@PYTHONPATH='$(CURDIR):$(CURDIR)/scripts' $(PY) -m delivery.ejection eject '$(APP)' $(if $(DOCKERFILE),--dockerfile '$(DOCKERFILE)') $(if $(FORCE),--force)

.PHONY: update
update: $(VENV)/development ## Merge what this version of eject writes with your edits in APP=../shop
	@PYTHONPATH='$(CURDIR):$(CURDIR)/scripts' $(PY) -m delivery.ejection update '$(APP)'

# --- On a kind cluster ---------------------------------------------------------------------------------------------

.PHONY: up
up: $(TOOLS_VENV)/complete ## Deploy APP=../shop to a kind cluster and serve it on http://localhost:5000 until Ctrl-C (ENV, VALUES)
	@$(with_tools) -m delivery.deployment.up $(described) --cluster '$(CLUSTER)' --port '$(PORT)' \
	  --timeout '$(TIMEOUT)'

.PHONY: down
down: require-python ## Delete the kind cluster of `make up`
	@$(PYTHON) scripts/cluster.py delete --name $(CLUSTER)

.PHONY: kind-test
kind-test: $(VENV)/development ## Prove on a kind cluster that no request is lost (ARGS for pytest)
	$(PY) -m pytest k8s-tests $(ARGS)

.PHONY: kind-mutants
kind-mutants: $(VENV)/development ## Prove that the proof can fail: charts and images that are broken must be caught
	$(PY) -m pytest k8s-tests/test_mutants.py --complete $(ARGS)

.PHONY: report
report: $(VENV)/development ## Write the page of the last proof again (ARGS='--picture FILE --scenario NAME' for a picture)
	@PYTHONPATH=k8s-tests:k8s-tests/prober $(PY) -m harness.report.page build/proof $(ARGS)

# Where the release is that live, logs and shell are for.
CONTEXT ?= kind-$(CLUSTER)
released = $(if $(APP),--app '$(APP)') $(if $(RELEASE),--release '$(RELEASE)') --namespace '$(NAMESPACE)' --context '$(CONTEXT)'

.PHONY: live
live: $(TOOLS_VENV)/complete ## Edit APP=../shop in the pods of `make up`: each change is served at once (CONTEXT, RELEASE, NAMESPACE)
	@$(call developing,live) $(released)

.PHONY: logs
logs: $(TOOLS_VENV)/complete ## Follow what all pods of APP=../shop log (as live)
	@$(call developing,logs) $(released)

.PHONY: shell
shell: $(TOOLS_VENV)/complete ## Open a shell in a pod of APP=../shop (as live; PART=worker-name, COMMAND='flask shell')
	@$(call developing,shell) $(released) $(if $(PART),--part '$(PART)') $(if $(COMMAND),-- '$(COMMAND)')

# --- Elsewhere -----------------------------------------------------------------------------------------------------

.PHONY: deploy
deploy: $(TOOLS_VENV)/complete ## Deploy IMAGE=registry/name:tag of APP; rolls back on failure (ENV, VALUES, RELEASE, NAMESPACE, TIMEOUT)
	@$(with_tools) -m delivery.deployment.deploy $(described) --image '$(IMAGE)' --timeout '$(TIMEOUT)'

.PHONY: plan
plan: $(TOOLS_VENV)/complete ## Say what `make deploy` would change, and change nothing (as deploy; ARGS=--detailed-exitcode)
	@$(with_tools) -m delivery.deployment.plan $(described) $(if $(filter file,$(origin IMAGE)),,--image '$(IMAGE)') $(ARGS)

.PHONY: doctor
doctor: require-python ## Say what this machine lacks for `make run` and `make up`, and what to do
	@PYTHONPATH='$(CURDIR)/scripts' $(PYTHON) -m delivery.deployment.doctor --port '$(PORT)'

.PHONY: push
push: require-python ## Push IMAGE, and the chart to CHART_REGISTRY=oci://registry/path
	docker push '$(IMAGE)'
	@mkdir -p build
	@helm=$(call tool,helm) && version=$$(awk '$$1 == "version:" {print $$2}' charts/flask-app/Chart.yaml)-g$(REVISION) && \
	  $$helm package charts/flask-app --destination build --version $$version --app-version '$(lastword $(subst :, ,$(IMAGE)))' && \
	  $$helm push build/flask-app-$$version.tgz $(or $(CHART_REGISTRY),$(error CHART_REGISTRY is not set: make push CHART_REGISTRY=oci://registry/path))

.PHONY: offline
offline: require-python ## On Debian, as root: build what a kind cluster needs from package mirrors alone; WITH=traefik for an add-on
	@offline/install $(if $(WITH),--with '$(WITH)')

.PHONY: clean
clean: ## Remove what the targets made in this folder
	rm -rf $(VENV) .tools build .pytest_cache .mypy_cache .ruff_cache .hypothesis

# --- The virtual environment: runtime is what the image has, development adds the tests' needs -----------------------

$(VENV)/pyvenv.cfg:
	@$(PYTHON) scripts/make_venv.py $(VENV)

$(VENV)/runtime: requirements.txt requirements-build.txt pyproject.toml $(VENV)/pyvenv.cfg
	@echo "installing the application's dependencies"
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.txt \
	  --requirement requirements-build.txt
	@$(call install_nodrop,$(PY))
	@touch $@

$(VENV)/development: requirements-dev.txt $(VENV)/runtime
	@echo "installing the development dependencies"
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-dev.txt
	@touch $@

$(TOOLS_VENV)/complete: requirements-tools.txt
	@$(PYTHON) scripts/make_venv.py $(TOOLS_VENV)
	@$(TOOLS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

# --- The application's own --------------------------------------------------------------------------------------------

%/requirements.lock:
	@echo 'the requirements of $* are not pinned yet: make lock APP_DIR=$*' >&2; exit 1

build/venv/%/runtime: %/requirements.lock requirements-build.txt pyproject.toml
	@$(PYTHON) scripts/make_venv.py build/venv/$*
	@echo "installing the dependencies of $*"
	@build/venv/$*/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $< \
	  --requirement requirements-build.txt
	@$(call install_nodrop,build/venv/$*/bin/python)
	@touch $@

# --- The servers of `make bench` --------------------------------------------------------------------------------------

build/venv/bench/servers: bench/requirements.txt requirements-build.txt pyproject.toml
	@$(PYTHON) scripts/make_venv.py build/venv/bench
	@echo "installing the servers that are compared"
	@build/venv/bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $< \
	  --requirement requirements-build.txt
	@$(call install_nodrop,build/venv/bench/bin/python)
	@touch $@
