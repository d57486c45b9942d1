# The same verbs for people and for .ci/run. Each makes .venv and installs what it needs, once per change of the pins.
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
RUN := .venv/.installed-run
DEV := .venv/.installed-dev
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: run demo test lint bench clean help browser
.DEFAULT_GOAL := help

help: ## these verbs
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/'

run: $(RUN) ## start api, app, scheduler and worker on this machine
	$(BIN)/python -m monitor up

demo: $(RUN) ## load 14 days of labelled demo traffic; then make run
	$(BIN)/python -m monitor demo

test: $(DEV) browser ## run the tests
	$(BIN)/python -m pytest -n 2

lint: $(DEV) ## linter, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .

bench: $(DEV) browser ## measure against the bars of docs/performance.md
	$(BIN)/python -m bench

clean: ## remove .venv and caches; data/ stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || { \
	  echo "Watchpoint is pinned to Python 3.11; '$(PYTHON)' is $$("$(PYTHON)" --version 2>/dev/null || echo missing)." >&2; \
	  echo "Install Python 3.11 with venv, or name it: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	"$(PYTHON)" -m venv .venv

$(RUN): requirements.txt | $(BIN)/python
	$(PIP) -r requirements.txt
	@touch $@

$(DEV): requirements-dev.txt requirements.txt | $(BIN)/python
	$(PIP) -r requirements-dev.txt
	@touch $@ $(RUN)

# The browser tests need Chromium. Without it they are skipped, and say so.
browser:
	@if command -v chromium chromium-browser google-chrome >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "installing chromium for the browser tests"; \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium; } </dev/null >/dev/null \
	  || echo "note: chromium could not be installed; the browser tests will be skipped" >&2; \
	else echo "note: no chromium found; the browser tests will be skipped (Debian: apt-get install chromium)" >&2; fi
