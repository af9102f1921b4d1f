# Needs Python 3.11 or newer, git and make. Everything else is installed into .venv, once,
# and again when pyproject.toml or constraints.txt change. `make help` lists the targets.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# The first of these that is new enough; name another with `make PYTHON=/path/to/python3 ...`.
CANDIDATES := python3 python3.13 python3.12 python3.11 python
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(firstword $(foreach p,$(CANDIDATES),$(shell $(p) -c '$(NEW_ENOUGH)' 2>/dev/null && echo $(p))) python3)

# Further arguments for pytest, for instance `make test ARGS="tests/policies"`.
ARGS ?=

PIP := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test coverage test-local-model check lint types format docs conformance constraints bench-peers clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(READY)  ## twelve conversations over the support desk, approvals included
	@$(BIN)/concertmaster demo

test: $(READY)  ## all tests
	@$(BIN)/python -m pytest --numprocesses auto $(ARGS)

coverage: $(READY)  ## all tests, with branch coverage; takes two thirds longer
	@$(BIN)/python -m pytest --numprocesses auto --cov --cov-report=term $(ARGS)

check: lint types test  ## what must pass before a change is merged: format, lint, types, tests

lint: $(READY)  ## formatting and lint rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

types: $(READY)  ## the type checker, strict
	@$(BIN)/mypy -p concertmaster

format: $(READY)  ## format the code and apply the safe repairs
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: $(READY)  ## write docs/reference.md from the docstrings
	@$(BIN)/python scripts/reference.py

test-local-model: $(READY)  ## play the support desk with a real, weak model on this machine
	@$(PIP) xllamacpp
	@$(BIN)/python scripts/local_model.py $(ARGS)

conformance: $(READY)  ## the exported graph under LangGraph's own server, for development only
	@$(BIN)/python scripts/langgraph_dev.py $(ARGS)

constraints: $(READY)  ## write constraints.txt from what .venv holds
	@$(BIN)/python scripts/constraints.py

bench-peers: $(READY)  ## the cost of a run, of an agent and of a thread beside other frameworks
	@for what in run build growth throughput; do $(BIN)/python benchmarks/peers.py $$what || exit 1; done

clean:  ## remove build products and caches; .venv stays
	@rm -rf build dist htmlcov .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	@find . -path ./$(VENV) -prune -o -name __pycache__ -prune -exec rm -rf {} +

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c '$(NEW_ENOUGH)' || { \
	    echo "Concertmaster needs Python 3.11 or newer, '$(PYTHON)' is $$($(PYTHON) -V 2>&1 || true)." >&2; \
	    echo "Install one and name it: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; \
	    exit 1; }
	@echo "Installing into $(VENV): once, this takes a minute or two" >&2
	@$(BIN)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	@$(PIP) --upgrade pip setuptools
	@$(PIP) --no-build-isolation --group dev --editable .
	@touch $@
