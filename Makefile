# The front door: `make` lists what there is. Needs Python 3.11+ and make; everything else is set up by the targets.

include versions.env

PYTHON      ?= python3
RELEASE     ?= flask-app
NAMESPACE   ?= default
CLUSTER     ?= flask-app
PORT        ?= 5000
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
REVISION    ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
IMAGE       ?= flask-app:dev
TIMEOUT     ?= 5m
ARGS        ?=

VENV   := .venv
PY     := $(VENV)/bin/python
tool    = $$($(PYTHON) scripts/tools.py path $(1))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

# --- On this machine -----------------------------------------------------------------------------------------------

.PHONY: run
run: $(VENV)/runtime ## Serve the application on http://localhost:5000 (PORT=...) until Ctrl-C
	@PORT=$(PORT) exec $(VENV)/bin/gunicorn --config app/serving/gunicorn.conf.py

.PHONY: test
test: $(VENV)/development ## Check everything that needs no cluster: code, chart, image files, documentation
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(PY) scripts/chart_docs.py --check
	$(PY) -m pytest $(ARGS)

.PHONY: lock
lock: $(VENV)/development ## Compile requirements*.in into pinned and hashed requirements*.txt (ARGS=--upgrade for newer ones)
	@for name in requirements requirements-dev; do \
	  $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --custom-compile-command 'make lock' $(ARGS) --output-file $$name.txt $$name.in || exit 1; \
	done

.PHONY: docs
docs: $(VENV)/development ## Write the chart's documentation from its values
	$(PY) scripts/chart_docs.py

.PHONY: image
image: ## Build the image as IMAGE=name:tag (default flask-app:dev)
	@$(PYTHON) scripts/cluster.py require-engine
	docker build --tag $(IMAGE) --build-arg PYTHON_IMAGE=$(PYTHON_IMAGE) --build-arg PIP_INDEX_URL \
	  --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) .

# --- On a kind cluster ---------------------------------------------------------------------------------------------

.PHONY: up
up: ## Create a kind cluster, deploy the application to it, and serve it on http://localhost:5000 until Ctrl-C
	@$(PYTHON) scripts/up.py --cluster $(CLUSTER) --release $(RELEASE) --namespace $(NAMESPACE) --port $(PORT)

.PHONY: down
down: ## Delete the kind cluster of `make up`
	@$(PYTHON) scripts/cluster.py delete --name $(CLUSTER)

.PHONY: kind-test
kind-test: $(VENV)/development ## Prove it on a kind cluster of its own: scaling, rollouts, rollbacks without a lost request (ARGS=...)
	$(PY) -m pytest k8s-tests $(ARGS)

# --- Elsewhere -----------------------------------------------------------------------------------------------------

.PHONY: deploy
deploy: ## Deploy IMAGE=registry/name:tag to the cluster of your kubeconfig; a failure rolls back (RELEASE, NAMESPACE, VALUES, TIMEOUT)
	@$(PYTHON) scripts/deploy.py --image '$(IMAGE)' --release '$(RELEASE)' --namespace '$(NAMESPACE)' \
	  --timeout '$(TIMEOUT)' $(if $(VALUES),--values '$(VALUES)')

.PHONY: push
push: ## Push IMAGE, and the chart to CHART_REGISTRY=oci://registry/path
	docker push $(IMAGE)
	@mkdir -p build
	@helm=$(call tool,helm) && version=$$(awk '$$1 == "version:" {print $$2}' charts/flask-app/Chart.yaml)-g$(REVISION) && \
	  $$helm package charts/flask-app --destination build --version $$version --app-version $(lastword $(subst :, ,$(IMAGE))) && \
	  $$helm push build/flask-app-$$version.tgz $(or $(CHART_REGISTRY),$(error CHART_REGISTRY is not set: make push CHART_REGISTRY=oci://registry/path))

.PHONY: offline
offline: ## On Debian, as root, without access to image registries: build and install what a kind cluster needs
	@offline/install

.PHONY: clean
clean: ## Remove what the targets made in this folder
	rm -rf $(VENV) .tools build .pytest_cache .mypy_cache .ruff_cache .hypothesis

# --- The virtual environment: runtime is what the image has, development adds the tests' needs -----------------------

$(VENV)/pyvenv.cfg:
	@$(PYTHON) scripts/make_venv.py $(VENV)

$(VENV)/runtime: requirements.txt $(VENV)/pyvenv.cfg
	@echo "installing the application's dependencies"
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.txt
	@touch $@

$(VENV)/development: requirements-dev.txt $(VENV)/runtime
	@echo "installing the development dependencies"
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-dev.txt
	@touch $@
