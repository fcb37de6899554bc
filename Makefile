# Every target makes what it needs first and can be repeated. `make` alone lists them.
SHELL := /bin/bash
PYTHON_IN_VENV := .venv/bin/python
PYTEST := $(PYTHON_IN_VENV) -m pytest
# Quick tests go first, so that a broken unit is seen at once; folders that are not named here follow.
IN_ORDER := $(addprefix tests/,architecture unit property golden integration)
OTHERS := $(filter-out $(IN_ORDER) tests/__pycache__,$(patsubst %/,%,$(wildcard tests/*/)))
TESTS := $(wildcard $(IN_ORDER)) $(OTHERS) $(wildcard tests/test_*.py)
# Our own packages and whatever else is Python here.
SOURCES := $(wildcard components pipeline schemas tfxnorm tests benchmarks tools)

.DEFAULT_GOAL := help
.PHONY: help setup run check test test-all prove bench image rehearse clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

setup: ## the locked environment in .venv (PYTHON=... names the interpreter)
	@tools/setup.sh

run: setup ## the whole pipeline on the flights of 2013
	@$(PYTHON_IN_VENV) -m pipeline run pipeline/flights.toml

check: setup ## lint (Dockerfile included), format and types
	$(PYTHON_IN_VENV) -m ruff check $(SOURCES)
	$(PYTHON_IN_VENV) -m ruff format --check $(SOURCES)
	$(PYTHON_IN_VENV) -m mypy
	.venv/bin/hadolint Dockerfile

test: check ## everyday: check, quick tests, one small end-to-end run (under 15 minutes)
	$(PYTEST) -m "not slow and not prove" $(TESTS)

test-all: check ## all tests, as .ci/run does (under 30 minutes)
	$(PYTEST) -m "not prove" $(TESTS)

prove: setup ## the long proofs, by hand, with what they measured
	$(PYTEST) -m prove -s tests

bench: setup ## the measurements of benchmarks/
	@for script in benchmarks/[a-z]*.py; do \
	  if [ -f "$$script" ]; then echo "== $$script"; $(PYTHON_IN_VENV) "$$script" || exit 1; fi; \
	done

image: ## the container image of every step (docker, podman, or buildah where there is neither)
	@tools/image/build.sh

rehearse: setup image ## unit tests and a whole compiled job inside that image, step by step
	@tools/image/build.sh test
	@tools/image/rehearse.sh

clean: ## caches and build output; .venv, .tools, data and runs stay
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	find $(SOURCES) -name __pycache__ -prune -exec rm -rf {} +
