# Two commands on a fresh machine with Python 3.11+, git and make: `make demo` and `make test`.
# All paths are relative, so that a checkout may lie on a path with spaces.

SHELL := /bin/bash
PYTHON := .venv/bin/python
HOST ?= 127.0.0.1
PORT ?= 8080
TESTS ?= tests
ROWS ?= 100000
BENCH ?=
KILLS ?= 100
LOCK := .venv/bin/python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header

.DEFAULT_GOAL := help
.PHONY: help demo test lint serve bench venv lock crash interop

help: ## show this list
	@echo "make demo    run the main job end to end on embedded defaults (KEEP=1 keeps serving)"
	@echo "make test    lint and the whole test suite (TESTS=tests/domain for a part)"
	@echo "make lint    ruff over everything"
	@echo "make bench   imports and syncs beside the bare database, SMTP beside Postfix's own client (ROWS=\"100000 1000000\" BENCH=\"--interest News\")"
	@echo "make crash   kill workers 100 times on SQLite and on PostgreSQL and compare the books (KILLS=100)"
	@echo "make interop run the samples of all languages against a real server (installs their toolchains as root)"
	@echo "make serve   create or upgrade ./data and serve on http://$(HOST):$(PORT) (HOST=, PORT=)"
	@echo "make lock    renew the lock files after a change of setup.cfg (needs the network)"

venv:
	@bash .ci/venv

demo: venv
	@$(PYTHON) clients/demo/run.py $(if $(KEEP),--keep)

# Many tests start our commands: what those import is compiled once. Whoever is done takes over tests of the others.
test: venv
	@bash .ci/os-packages
	@$(PYTHON) -m ruff check .
	@env -u PYTHONDONTWRITEBYTECODE $(PYTHON) -m pytest -q -n 4 --dist worksteal $(TESTS)

lint: venv
	@$(PYTHON) -m ruff check .

serve: venv
	@$(PYTHON) -m gateway init
	@exec $(PYTHON) -m gateway serve --host $(HOST) --port $(PORT)

bench: venv
	@bash .ci/os-packages bench
	@$(PYTHON) -m tests.perf.bench_imports --rows $(ROWS) $(BENCH)
	@$(PYTHON) -m tests.perf.bench_sync
	@$(PYTHON) -m tests.perf.bench_smtp
	@$(PYTHON) -m tests.perf.bench_sending
	@$(PYTHON) -m tests.perf.bench_live
	@$(PYTHON) -m tests.perf.bench_tracking
	@$(PYTHON) -m tests.perf.bench_grids

crash: venv
	@bash .ci/os-packages
	@$(PYTHON) -m tests.support.crash --kills $(KILLS)

interop: venv
	@bash .ci/os-packages interop
	@$(PYTHON) -m pytest -q -m "interop or not interop" tests/clients/test_samples.py tests/interop

lock: venv
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check uv
	@echo "setuptools>=77" | $(LOCK) - -o requirements-build.lock
	@$(LOCK) --upgrade --extra test --extra lint setup.cfg -o requirements.lock
	@$(LOCK) --extra rabbitmq --extra redis --extra mysql --extra mssql --constraint requirements.lock setup.cfg -o requirements-runtime.lock
	@rm -f .venv/stamp
