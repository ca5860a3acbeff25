# Everything below works in a private .venv, whichever virtualenv happens to be active.
PYTHON ?= python3
ARGS ?=

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# Each stamp says which requirements .venv holds; it goes stale with the files it is made from.
RUNTIME := .venv/.runtime-installed
DEV := .venv/.dev-installed
TOOLS := .venv/.tools-installed
# Clients of JavaScript are tried where there is Node.
JS := $(if $(shell command -v npm 2>/dev/null),tests/js/node_modules/.package-lock.json)

# pip says nothing for a minute, or a line for every package. A dot a second shows that it works.
define with_dots
@while kill -0 $$$$ 2>/dev/null; do printf .; sleep 1; done & dots=$$!; \
	$(1); status=$$?; kill $$dots; echo; exit $$status
endef

# Tests start many processes: byte code that is kept saves each of them a second.
unexport PYTHONHOME VIRTUAL_ENV PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help serve test fuzz check format examples types spa bench lock audit sbom clean

help: ## List the targets
	@echo "usage: make TARGET [PYTHON=python3.13] [ARGS='options of the command behind it']"
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' Makefile

serve: $(RUNTIME) ## Serve the API on http://127.0.0.1:5000, creating what is missing
	$(BIN)/hyperapi serve $(ARGS)

spa: $(RUNTIME) ## Serve the API and, on http://127.0.0.1:5001, an app that uses it
	$(BIN)/python examples/spa/serve.py $(ARGS) -- $(BIN)/hyperapi serve

test: $(DEV) $(TOOLS) $(JS) ## Run the whole test suite
	$(BIN)/python -m pytest --numprocesses=logical --maxprocesses=4 --dist=loadfile \
		--no-loadscope-reorder $(ARGS)

fuzz: $(DEV) ## Let Schemathesis try everything (ARGS='--max-time 600')
	$(BIN)/python -m tests.fuzzing $(ARGS)

check: $(DEV) ## Check formatting, lint and types
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

format: $(DEV) ## Fix what lint can fix, and format the code
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

examples: $(DEV) ## Write the examples of the OpenAPI document anew
	$(BIN)/python -m tests.example_replies

types: $(JS) ## Write the type declarations of the JavaScript packages anew
	node tests/js/node_modules/typescript/bin/tsc --project clients/javascript
	node tests/js/node_modules/typescript/bin/tsc --project clients/javascript-testing

bench: $(DEV) ## Run the benchmarks
	$(BIN)/python -m benchmarks $(ARGS)

lock: COMPILE = UV_CUSTOM_COMPILE_COMMAND='make lock' $(BIN)/uv pip compile --quiet \
	--python $(BIN)/python --python-version 3.11 --universal --fork-strategy fewest \
	--generate-hashes --no-emit-index-url $(ARGS)
lock: $(TOOLS) ## Pin pyproject.toml's requirements (ARGS=--upgrade: to the newest releases)
	$(COMPILE) pyproject.toml --output-file requirements.txt
	$(COMPILE) pyproject.toml --extra dev --constraint requirements.txt \
		--output-file requirements-dev.txt
	$(COMPILE) pyproject.toml --extra metrics --extra postgres --extra redis \
		--constraint requirements.txt --output-file requirements-deploy.txt
	$(COMPILE) clients/python/pyproject.toml --extra mcp --constraint requirements-dev.txt \
		--output-file requirements-mcp.txt
	$(COMPILE) --group build --constraint requirements-dev.txt --output-file requirements-build.txt
	$(COMPILE) --group tools --constraint requirements-dev.txt --output-file requirements-tools.txt

audit: $(TOOLS) ## Look for known vulnerabilities in all that is pinned (ARGS='-s osv')
	$(BIN)/python -m tests.auditing $(ARGS)

sbom: $(TOOLS) ## Write what the image is made of to dist/hyperapi.cdx.json (CycloneDX)
	@mkdir -p dist
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible \
		--output-file dist/hyperapi.cdx.json requirements-deploy.txt

clean: ## Remove .venv, caches and build results; data stays
	rm -rf .venv .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist htmlcov artifacts
	rm -rf tests/js/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.created:
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "hyperapi needs Python 3.11 or newer, and $(PYTHON) is not." \
			"Name one that is: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot create virtual environments." \
			"Install what is missing, on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Creating .venv"
	@"$(PYTHON)" -m venv .venv
	@touch $@

# The files name everything that is needed, so pip has nothing to resolve: where it does, older ones
# stumble over extras as soon as a newer release is out. Whether something lacks is checked at the end.
# Without isolation the package is built by what is pinned here, and not by what pip would download.
INSTALL := $(PIP) install --require-hashes --no-deps -r requirements-build.txt
BUILD := $(PIP) install --no-deps --no-build-isolation

$(RUNTIME): requirements.txt requirements-build.txt pyproject.toml | .venv/.created
	@echo "Installing what the server needs, which may take a minute"
	$(call with_dots,$(INSTALL) -r requirements.txt)
	@$(BUILD) -e .
	@$(PIP) check
	@touch $@

$(DEV): requirements-dev.txt requirements-build.txt pyproject.toml clients/python/pyproject.toml \
		| .venv/.created
	@echo "Installing what the server and its tests need, which may take a minute"
	$(call with_dots,$(INSTALL) -r requirements-dev.txt)
	@$(BUILD) -e . -e clients/python
	@$(PIP) check
	@touch $@

$(TOOLS): requirements-tools.txt | .venv/.created
	@echo "Installing the tools of the supply chain, which may take a minute"
	$(call with_dots,$(PIP) install --require-hashes --no-deps -r requirements-tools.txt)
	@touch $@

tests/js/node_modules/.package-lock.json: tests/js/package-lock.json
	@echo "Installing what the tests need of JavaScript"
	@npm ci --prefix tests/js --loglevel=error >/dev/null
	@touch $@
