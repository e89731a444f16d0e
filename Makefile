# Needs Python >= 3.11, make and a package registry. Everything is built in .venv; `make` alone lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
INSTALLED := .venv/.installed
# pyenv and others put names on the PATH that do not run, so each one is tried. `make PYTHON=…` chooses another.
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11 python; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$name; break; }; done)
SOURCES := dialer campaigns adapters config tests benchmarks
SAMPLE := demo-out/daemon

# Some images turn bytecode off; without it every one of the many processes compiles the dialer anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help:  ## This list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## */  make \1\t/' | expand -t 16

.PHONY: demo
demo: $(INSTALLED)  ## A month of reminders for 5,000 sample borrowers, simulated; then the report
	@$(BIN)/python -m dialer.demo

# In their own order: the slow files of tests/acceptance begin, and small ones make the end even.
.PHONY: test
test: lint  ## Style, types, import contracts, every test but the hunts
	@echo "== tests"
	@$(BIN)/pytest -m "not hunt and not torture" -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: lint
lint: $(INSTALLED)  ## Style, types, import contracts
	@echo "== ruff"
	@$(BIN)/ruff check --quiet $(SOURCES)
	@$(BIN)/ruff format --quiet --diff $(SOURCES) || { echo "run: $(BIN)/ruff format $(SOURCES)"; exit 1; }
	@echo "== mypy"
	@$(BIN)/mypy
	@echo "== import contracts"
	@out=$$($(BIN)/lint-imports --no-logo 2>&1) || { echo "$$out"; exit 1; }; echo "$$out" | tail -n 1

SEEDS ?= 212

# Most of these wait for daemons, so four at a time on two cores.
.PHONY: hunt
hunt: $(INSTALLED)  ## The long tests: 200 hostile simulations, a hundred kills, more fuzz
	@$(BIN)/python -m tests.hunt --seeds $(SEEDS) --attempts $$(($(SEEDS) * 950)) --processes 2
	@$(BIN)/pytest -m hunt -n 4 --durations=10

MINUTES ?= 0
KILLS ?= 1000

.PHONY: torture
torture: $(INSTALLED)  ## Kills and simulations from fresh seeds, until MINUTES=… are over and KILLS=… (1000) are made
	@$(BIN)/pytest -m torture
	@$(BIN)/python -m tests.torture --minutes $(MINUTES) --kills $(KILLS)

.PHONY: run
run: $(SAMPLE)/.ready  ## The daemon on the sample settings, in demo-out/daemon, until Ctrl-C
	@cd $(SAMPLE) && exec ../../$(BIN)/dialer run

$(SAMPLE)/.ready: | $(INSTALLED)
	@rm -rf $(SAMPLE)
	@$(BIN)/dialer init $(SAMPLE) >/dev/null
	@cd $(SAMPLE) && for kind in accounts installments suppressions; do ../../$(BIN)/dialer import $$kind $$kind.csv; done
	@cd $(SAMPLE) && ../../$(BIN)/dialer launch campaigns/monthly.toml
	@touch $@

.PHONY: bench
bench: .venv/.bench  ## Measures this dialer, its peers and the machine's limit in turn; FLAGS=--quick, FLAGS="A B", …
	@PYTHONPATH=. $(BIN)/python -m benchmarks $(FLAGS)

# The peers and the profiler, which nothing else needs.
.venv/.bench: $(INSTALLED) requirements-bench.lock
	@$(BIN)/pip install -qq --disable-pip-version-check --require-hashes -r requirements-bench.lock
	@touch $@

.PHONY: lock
lock: build/uv/bin/uv  ## Pins every dependency anew; FLAGS=--upgrade takes newer versions
	@lock() { build/uv/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links $(FLAGS) "$$@"; }; \
	lock --output-file requirements.lock; \
	lock --group dev --constraints requirements.lock --output-file requirements-dev.lock; \
	lock --group dev --group bench --constraints requirements-dev.lock --output-file requirements-bench.lock

build/uv/bin/uv:
	@$(if $(PYTHON),,$(error No Python >= 3.11 was found; install one, or name it: make PYTHON=/path/to/python3))
	@$(PYTHON) -m venv build/uv && build/uv/bin/pip install -qq --disable-pip-version-check uv

# What the lock pins, with its hashes, and this project itself. --no-deps: the lock is complete, nothing else comes in.
$(INSTALLED): requirements-dev.lock pyproject.toml
	@$(if $(PYTHON),,$(error No Python >= 3.11 was found; install one, or name it: make PYTHON=/path/to/python3))
	@echo "Installing into .venv ($$($(PYTHON) --version)); this takes about a minute, once."
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install -qq --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: docs
docs: $(INSTALLED)  ## Draws docs/states.md anew from the state table
	@$(BIN)/python -m tests.style.states

.PHONY: clean
clean:  ## Removes all that was built, .venv and the sample's data included
	@rm -rf .venv build dist demo-out .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +
