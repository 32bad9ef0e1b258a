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
# Of the example: requirements-otel.txt has OpenTelemetry too.
REQUIREMENTS ?= requirements.txt
TIMEOUT     ?= 5m
ARGS        ?=
# Where `make run` listens, with both ports. The image listens at every address, as a pod needs.
BIND_ADDRESS ?= 127.0.0.1
WHEELS      ?= build/wheel
# Processes that `make test` runs tests in.
JOBS        ?= 6
# Your application: a folder or a git address. Without it, the example in app/.
APP         ?=
# A file of its settings, NAME=value lines.
ENV_FILE    ?=
# The cluster of `make live`, `make logs` and `make shell`: never by chance the one that kubectl has chosen.
CONTEXT     ?= kind-$(CLUSTER)

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
# What brings an application to a cluster (delivery/) runs in an environment of its own.
TOOLS_VENV := build/venv/tools
delivery    = PYTHONPATH='$(CURDIR):$(CURDIR)/scripts' $(TOOLS_VENV)/bin/python -m delivery.$(1)
# Of the release in the cluster, of the application here, and of what is deployed.
released    = $(if $(APP),--app '$(APP)') $(if $(RELEASE),--release '$(RELEASE)') --namespace '$(NAMESPACE)'
locally     = --app '$(APP)' --port '$(PORT)' $(if $(ENV_FILE),--env '$(ENV_FILE)') $(if $(call on,WITH_WORKERS),--workers)
described   = $(released) $(if $(ENV_FILE),--env '$(ENV_FILE)') $(if $(VALUES),--values '$(VALUES)')
require_app = $(if $(APP),,$(error which application? make $@ APP=../shop))
# Whether a switch such as STRICT=1 is on.
on = $(filter 1 true yes,$($(1)))
tool    = $$($(PYTHON) scripts/tools.py path $(1))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^# --- .*[a-z] -+$$/ && !/environment|servers/ {gsub(/^# --- | -+$$/, ""); print "\n" $$0} \
	  /^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: require-python
require-python:
	@$(PYTHON) scripts/make_venv.py

# --- Your application (APP=../shop or a git address; without it, the example), on this machine ----------------------

.PHONY: doctor
doctor: require-python ## Say what this machine lacks for the other targets, and what to do
	@PYTHONPATH='$(CURDIR)/scripts' $(PYTHON) -m delivery.deployment.doctor --port '$(PORT)'

.PHONY: detect
detect: $(TOOLS_VENV)/complete ## Say what is found in the repository, and where (WRITE=1 writes it to its flask-app.toml)
	@$(require_app)$(call delivery,detection) '$(APP)' $(if $(call on,WRITE),--write) $(ARGS)

.PHONY: run
run: $(if $(call on,STRICT)$(APP),$(TOOLS_VENV)/complete,$(VENV)/runtime) ## Serve it on http://localhost:5000 until Ctrl-C (ENV_FILE, PORT, BIND_ADDRESS, WITH_WORKERS=1; STRICT=1 as in a pod)
	@$(if $(call on,STRICT),$(run_strictly),$(if $(APP),$(run_here),$(run_example)))

run_example  = PORT=$(PORT) BIND_ADDRESS='$(BIND_ADDRESS)' exec $(VENV)/bin/gunicorn --config python:nodrop.gunicorn
run_here     = exec env $(call delivery,development) run $(locally) --address '$(BIND_ADDRESS)'
run_strictly = exec env $(call delivery,development.strict) $(if $(APP),'$(APP)') --port '$(PORT)' \
                 --address '$(BIND_ADDRESS)' $(if $(ENV_FILE),--env '$(ENV_FILE)')

.PHONY: dev
dev: $(if $(APP),$(TOOLS_VENV)/complete,$(VENV)/runtime) ## Develop it: serve as run, reload on change, show errors in a debugger
	@$(if $(APP),exec env $(call delivery,development) dev $(locally),PORT=$(PORT) exec $(VENV)/bin/nodrop dev)

.PHONY: values
values: $(TOOLS_VENV)/complete ## Measure it, and compute values for the chart (PATHS='/ /search?q=x', ENV_FILE, OUTPUT=values.yaml)
	@$(require_app)$(call delivery,sizing) '$(APP)' $(foreach path,$(PATHS),--url '$(path)') \
	  $(if $(ENV_FILE),--env '$(ENV_FILE)') $(if $(OUTPUT),--output '$(OUTPUT)') $(ARGS)

.PHONY: image
image: require-python $(if $(APP),$(TOOLS_VENV)/complete) ## Build its image as IMAGE=name:tag (default flask-app:dev)
	@$(PYTHON) scripts/cluster.py require-engine
	@$(if $(APP),$(image_of_app),$(image_of_example))

image_of_app     = $(call delivery,images) '$(APP)' --image '$(IMAGE)' $(if $(filter file,$(origin VERSION)),,--version '$(VERSION)')
image_of_example = $(PYTHON) -m delivery.images --image '$(IMAGE)' --version '$(VERSION)' --revision '$(REVISION)' \
                     --build-arg 'REQUIREMENTS=$(REQUIREMENTS)'

# --- Your application, in a cluster --------------------------------------------------------------------------------

.PHONY: up
up: $(TOOLS_VENV)/complete ## Deploy it to a kind cluster and serve it on http://localhost:5000 until Ctrl-C (ENV_FILE, VALUES)
	@$(call delivery,deployment.up) $(described) --cluster '$(CLUSTER)' --port '$(PORT)' --timeout '$(TIMEOUT)'

.PHONY: down
down: require-python ## Delete the kind cluster of `make up`
	@$(PYTHON) scripts/cluster.py delete --name $(CLUSTER)

.PHONY: live
live: $(TOOLS_VENV)/complete ## Edit it in the pods of `make up`: each change is served at once (CONTEXT, RELEASE, NAMESPACE)
	@$(require_app)exec env $(call delivery,development) live $(released) --context '$(CONTEXT)'

.PHONY: logs
logs: $(TOOLS_VENV)/complete ## Follow what all its pods log (as live)
	@exec env $(call delivery,development) logs $(released) --context '$(CONTEXT)'

.PHONY: shell
shell: $(TOOLS_VENV)/complete ## Open a shell in one of its pods (as live; PART=worker-name, COMMAND='flask shell')
	@exec env $(call delivery,development) shell $(released) --context '$(CONTEXT)' $(if $(PART),--part '$(PART)') \
	  $(if $(COMMAND),-- '$(COMMAND)')

.PHONY: plan
plan: $(TOOLS_VENV)/complete ## Say what `make deploy` would change, and change nothing (as deploy; ARGS=--detailed-exitcode)
	@$(call delivery,deployment.plan) $(described) $(if $(filter file,$(origin IMAGE)),,--image '$(IMAGE)') $(ARGS)

.PHONY: push
push: require-python ## Push IMAGE, and if CHART_REGISTRY=oci://registry/path is set the chart to it
	docker push '$(IMAGE)'
	@$(if $(CHART_REGISTRY),$(push_chart),:)

define push_chart
mkdir -p build && helm=$(call tool,helm) && \
version=$$(awk '$$1 == "version:" {print $$2}' charts/flask-app/Chart.yaml)-g$(REVISION) && \
$$helm package charts/flask-app --destination build --version $$version --app-version '$(lastword $(subst :, ,$(IMAGE)))' && \
$$helm push build/flask-app-$$version.tgz $(CHART_REGISTRY)
endef

.PHONY: deploy
deploy: $(TOOLS_VENV)/complete ## Deploy IMAGE=registry/name:tag of APP; rolls back on failure (ENV_FILE, VALUES, RELEASE, NAMESPACE, TIMEOUT)
	@$(call delivery,deployment.deploy) $(described) --image '$(IMAGE)' --timeout '$(TIMEOUT)'

# --- In your own repository ----------------------------------------------------------------------------------------

.PHONY: new
new: $(TOOLS_VENV)/complete ## Write a new application to APP=../shop (NAME=shop; EJECT=1 for the files of eject too)
	@$(require_app)$(call delivery,ejection) new '$(APP)' $(if $(NAME),--name '$(NAME)') $(if $(call on,EJECT),--eject)

.PHONY: eject
eject: $(TOOLS_VENV)/complete ## Write what builds and deploys APP=../shop without this checkout into it (DOCKERFILE, FORCE)
	@$(require_app)$(call delivery,ejection) eject '$(APP)' $(if $(DOCKERFILE),--dockerfile '$(DOCKERFILE)') $(if $(call on,FORCE),--force)

.PHONY: update
update: $(TOOLS_VENV)/complete ## Bring the files of `make eject` in APP=../shop to this version, and keep your edits
	@$(require_app)$(call delivery,ejection) update '$(APP)'

# --- The proof -----------------------------------------------------------------------------------------------------

.PHONY: kind-test
kind-test: $(VENV)/development $(if $(APP),$(TOOLS_VENV)/complete) ## Prove on a kind cluster that no request is lost, of APP=../shop or the example (VALUES, ARGS for pytest)
	@$(if $(APP),$(call delivery,deployment.proof) '$(APP)' --python '$(CURDIR)/$(PY)' $(if $(VALUES),--values '$(VALUES)') -- ,$(PY) -m pytest k8s-tests) $(ARGS)

.PHONY: kind-mutants
kind-mutants: $(VENV)/development ## Prove that the proof can fail: charts and images that are broken must be caught
	$(PY) -m pytest k8s-tests/test_mutants.py --complete $(ARGS)

.PHONY: report
report: $(VENV)/development ## Regenerate the report of the last proof (ARGS='--picture FILE --scenario NAME' for a picture)
	@PYTHONPATH=k8s-tests:k8s-tests/prober $(PY) -m harness.report.page build/proof $(ARGS)

.PHONY: corpus
corpus: $(VENV)/development ## Try third-party applications (HALF=develop, ARGS='--only NAME --until locked', ARGS=--publish for docs/corpus.md)
	@PYTHONPATH='$(CURDIR)/scripts' $(PY) -m delivery.corpus --half '$(or $(HALF),develop)' $(ARGS)

# --- This project --------------------------------------------------------------------------------------------------

.PHONY: test
test: $(VENV)/development $(TOOLS_VENV)/complete ## Check everything that needs no cluster
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(PY) scripts/chart_values --check
	$(PY) scripts/settings_docs.py --check
	$(PY) scripts/options_docs.py --check
	$(PY) scripts/metrics_docs.py --check
	$(PY) scripts/proof_docs.py --check
	$(PY) scripts/keys_docs.py --check
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
bench-guard: $(VENV)/development ## Fail if the CPU time of a request has risen, relative to gunicorn's threads
	@$(PY) -m bench.guard

.PHONY: bench-publish
bench-publish: $(VENV)/development ## Show the figures and the picture of the last complete `make bench` in docs/speed.md
	@$(PY) -m bench.figures.publish

# What nodrop requires is in pyproject.toml alone. The image installs nodrop without looking at it again.
.PHONY: lock
lock: $(VENV)/development $(if $(APP),$(TOOLS_VENV)/complete) ## Pin and hash the requirements, of this project or of APP=../shop (ARGS=--upgrade; KEEP=1 writes requirements.lock there)
	@$(if $(APP),$(call delivery,images.lock) '$(APP)' $(if $(call on,KEEP),--keep) $(ARGS),$(lock_project))

define lock_project
compile() { \
  $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
    --custom-compile-command 'make lock' $(ARGS) --output-file "$$@"; \
} && compile requirements.txt pyproject.toml app/requirements.in && \
compile requirements-otel.txt --extra otel pyproject.toml requirements-otel.in && \
compile bench/requirements.txt pyproject.toml bench/requirements.in && \
for name in requirements-build requirements-tools requirements-dev tests/applications k8s-tests/background/image/requirements; do \
  compile $$name.txt $$name.in || exit 1; \
done
endef

.PHONY: wheel
wheel: $(VENV)/runtime ## Build nodrop, the serving layer, as a wheel in build/wheel (WHEELS=folder)
	@$(PY) -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir '$(WHEELS)' .
	@ls '$(WHEELS)'/nodrop-*.whl

.PHONY: docs
docs: $(VENV)/development ## Write the tables of the chart's values, settings, gunicorn's options, metrics, proof, flask-app.toml and speed
	$(PY) scripts/chart_values
	$(PY) scripts/settings_docs.py
	$(PY) scripts/options_docs.py
	$(PY) scripts/metrics_docs.py
	$(PY) scripts/proof_docs.py
	$(PY) scripts/keys_docs.py
	$(PY) -m bench.figures.page

.PHONY: tools
tools: require-python ## Get helm, kind and kubectl, and print the line that puts them on PATH
	@paths=$(call tool,helm kind kubectl) && \
	  printf 'export PATH="%s:$$PATH"\n' "$$(printf '%s\n' $$paths | xargs -n1 dirname | sort -u | paste -sd: -)"

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

$(TOOLS_VENV)/complete: requirements-tools.txt requirements-build.txt
	@$(PYTHON) scripts/make_venv.py $(TOOLS_VENV)
	@$(TOOLS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	  --requirement requirements-tools.txt --requirement requirements-build.txt
	@touch $@

# --- The servers of `make bench` --------------------------------------------------------------------------------------

build/venv/bench/servers: bench/requirements.txt requirements-build.txt pyproject.toml
	@$(PYTHON) scripts/make_venv.py build/venv/bench
	@echo "installing the servers that are compared"
	@build/venv/bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $< \
	  --requirement requirements-build.txt
	@$(call install_nodrop,build/venv/bench/bin/python)
	@touch $@
