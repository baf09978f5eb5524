# Two commands on a fresh machine with Python 3.11+, git and make: `make demo` and `make test`.
# All paths are relative, so that a checkout may lie on a path with spaces.

SHELL := /bin/bash
PYTHON := .venv/bin/python
HOST ?= 127.0.0.1
PORT ?= 8080
TESTS ?= tests
ROWS ?= 100000
BENCH ?=
LOCK := .venv/bin/python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header

.DEFAULT_GOAL := help
.PHONY: help demo test lint serve bench venv lock

help: ## show this list
	@echo "make demo    run the main job end to end on embedded defaults (KEEP=1 keeps serving)"
	@echo "make test    lint and the whole test suite (TESTS=tests/domain for a part)"
	@echo "make lint    ruff over everything"
	@echo "make bench   what bulk imports cost beside the bare database (ROWS=\"100000 1000000\" BENCH=\"--interest News\")"
	@echo "make serve   create or upgrade ./data and serve on http://$(HOST):$(PORT) (HOST=, PORT=)"
	@echo "make lock    renew the lock files after a change of setup.cfg (needs the network)"

venv:
	@bash .ci/venv

demo: venv
	@$(PYTHON) clients/demo/run.py $(if $(KEEP),--keep)

test: venv
	@bash .ci/os-packages
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m pytest -q -n 2 $(TESTS)

lint: venv
	@$(PYTHON) -m ruff check .

serve: venv
	@$(PYTHON) -m gateway init
	@exec $(PYTHON) -m gateway serve --host $(HOST) --port $(PORT)

bench: venv
	@bash .ci/os-packages
	@$(PYTHON) -m tests.perf.bench_imports --rows $(ROWS) $(BENCH)

lock: venv
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check uv
	@echo "setuptools>=77" | $(LOCK) - -o requirements-build.lock
	@$(LOCK) --upgrade --extra test --extra lint setup.cfg -o requirements.lock
	@$(LOCK) --extra rabbitmq --constraint requirements.lock setup.cfg -o requirements-runtime.lock
	@rm -f .venv/stamp
