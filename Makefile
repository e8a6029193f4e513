# From a clone to a running server or a passed test suite: Python 3.11 or newer and make are all it takes.

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
# seconds of fuzzing for each decoder, and how often each route is asked
FUZZ_S ?= 60
FUZZ_EXAMPLES ?= 100
# pytest-xdist's processes; 0 runs everything in one
WORKERS ?= 0

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test check bench fuzz lock vendor clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' Makefile
	@echo "VENV=$(VENV), PYTHON=$(PYTHON), WORKERS=$(WORKERS), FUZZ_S=$(FUZZ_S), FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) and ARGS (passed on by demo, test, bench and fuzz) may be set."

demo: $(INSTALLED) ## a server with moving vehicles and a page to watch them on
	$(BIN)/haulcast demo $(ARGS)

test: $(INSTALLED) ## every test; ARGS="tests/geo -k name" for some
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

check: $(INSTALLED) ## lint, format, types, floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(INSTALLED) ## the benchmarks, small: one JSON object each
	$(BIN)/python -m benchmarks.ingest --connections 500 --rate 20000 --seconds 5 --json $(ARGS)
	$(BIN)/python -m benchmarks.live --vehicles 1000 --rate 5000 --seconds 5 --subscribers 50 --json $(ARGS)
	$(BIN)/python -m benchmarks.fences --made-fences 20000 --json $(ARGS)
	$(BIN)/python -m benchmarks.history --fixes 200000 --vehicles 500 --rows 500000 --ack-rate 5000 --ack-seconds 5 --json $(ARGS)
	$(BIN)/python -m benchmarks.solver --seconds 0.5 --seeds 2 --json $(ARGS)
	$(BIN)/python -m benchmarks.savings --seconds 0.5 --days 2 --repetitions 2 --json $(ARGS)
	$(BIN)/python -m benchmarks.insertion --requests 100 --oracle-cases 2000 --json $(ARGS)
	$(BIN)/python -m benchmarks.dispatch --loads 300 --vehicles 300 --json $(ARGS)

fuzz: $(INSTALLED) ## atheris on every decoder (Linux, x86-64), schemathesis on every route
	$(BIN)/python -m fuzz --seconds $(FUZZ_S) $(ARGS)
	$(BIN)/python -m fuzz.rest --examples $(FUZZ_EXAMPLES)

lock: $(BIN)/python ## requirements.lock anew from pyproject.toml, at the newest versions
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --no-header \
		--python-version 3.11 --all-extras pyproject.toml --output-file requirements.lock

vendor: $(BIN)/python ## the page's third-party files anew from npm, as vendoring/packages.toml says
	$(BIN)/python -m vendoring.take

clean: ## away with everything that make made
	rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src geo tests benchmarks fuzz vendoring -name __pycache__ -type d -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Haulcast needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)." \
			"Name another with: make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -f $@; exit 1; }

$(INSTALLED): $(BIN)/python requirements.lock pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
