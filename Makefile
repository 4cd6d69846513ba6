# Every target sets itself up. All that is needed: Python 3.11+, make, and the package index that pip is set to.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

UV_VERSION := 0.13.9
PYTHON ?= python3 python3.13 python3.12 python3.11
WORKERS ?= 2

BIN := .venv/bin
RUNTIME := .venv/.runtime-stamp
DEV := .venv/.dev-stamp

# An activated environment of another project must not receive our packages.
export VIRTUAL_ENV := $(CURDIR)/.venv
unexport PYTHONPATH PYTHONHOME

.PHONY: help setup demo test check docs bench lock

help:
	@echo "make demo    pretrain on bundled pictures and open the report (set-up included)"
	@echo "make test    every check and every test (set-up included)"
	@echo "make check   format, lint, types, layers and budgets only"
	@echo "make docs    build the documentation into site/"
	@echo "make bench   run benchmarks/bench_*.py, which write benchmarks/results/"
	@echo "make lock    resolve the lock files anew (LOCK_FLAGS=--upgrade for newer releases)"
	@echo "make setup   the development environment in .venv"

setup: $(DEV)

demo: $(RUNTIME)
	$(BIN)/selftaught demo

test: check
	$(BIN)/pytest -n $(WORKERS) --ignore=tests/house

# tests/house runs here and alone: it times the command line, which two busy workers would falsify.
check: $(DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/house

docs: $(DEV)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(DEV)
	@for script in benchmarks/bench_*.py; do \
	  [ -e "$$script" ] || { echo "There is no benchmarks/bench_*.py yet."; exit 1; }; \
	  echo "$$script"; $(BIN)/python "$$script"; \
	done

# The dev lock is held to the versions of the runtime lock, so that the demo runs what the tests ran.
# A folder of local wheels (PIP_FIND_LINKS, UV_FIND_LINKS) would put machine-only builds into the lock.
lock: $(BIN)/uv
	env -u PIP_FIND_LINKS -u UV_FIND_LINKS $(BIN)/uv pip compile -q pyproject.toml $(RESOLVE) -o requirements.lock
	env -u PIP_FIND_LINKS -u UV_FIND_LINKS $(BIN)/uv pip compile -q pyproject.toml $(RESOLVE) --extra dev \
	  --constraint requirements.lock -o requirements-dev.lock
	@grep -n '://' requirements.lock requirements-dev.lock && { echo "A lock names a host."; exit 1; } || true

RESOLVE = --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
  --no-emit-find-links $(LOCK_FLAGS)

# uv does not read pip's configuration: it is handed pip's index. Where it still cannot get through (a proxy, a private
# certificate), pip installs the same hashed files, only slower.
define install
	@echo "Installing $(1) into .venv"
	@index="$${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$$($(BIN)/python -m pip config get global.index-url 2>/dev/null || true)}}"; \
	if [ -n "$$index" ]; then export UV_DEFAULT_INDEX="$$index"; fi; \
	if $(BIN)/uv pip install --quiet --require-hashes -r $(1); then installer="$(BIN)/uv pip"; \
	else \
	  echo "uv did not get through; trying with pip"; installer="$(BIN)/python -m pip"; \
	  $$installer install --quiet --require-hashes -r $(1); \
	fi; \
	$$installer install --quiet --no-deps -e .
endef

$(RUNTIME): requirements.lock pyproject.toml $(BIN)/uv
	$(call install,requirements.lock)
	@touch $@

$(DEV): requirements-dev.lock requirements.lock pyproject.toml $(BIN)/uv
	$(call install,requirements-dev.lock)
	@touch $@ $(RUNTIME)

$(BIN)/uv: Makefile
	@python=""; \
	for candidate in $(PYTHON); do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python="$$candidate"; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "selftaught needs Python 3.11 or newer; tried: $(PYTHON)."; \
	  echo "Install one, or name it: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; \
	fi; \
	if [ ! -x $(BIN)/python ]; then \
	  echo "Creating .venv with $$("$$python" --version)"; \
	  "$$python" -m venv .venv || { echo "On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }; \
	fi; \
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip --default-pip >/dev/null; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@
