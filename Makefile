# Two commands on a fresh machine: `make run` and `make test`. Windows: see README.md.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What `make test` installs beside the program: its tools, and the extras whose tests would skip.
TEST_EXTRAS ?= dev,bench,postgres,ray,shared,executorch,openvino,gradcam

# Where `make bench` keeps its runs, and a checkout of OptunaHub's registry if there is one.
BENCH_OUT ?= runs/bench
REGISTRY ?=
SEEDS ?= 20
# The commit that froze the strategies before the held-out table was recorded.
FROZEN ?= e537c61
# What runs with eight simulated workers too.
BENCH_OURS ?= ours

.PHONY: run test check long bench clean

run: $(VENV)/.run
	$(BIN)/python -m search.run --study kd_lora_q

test: $(VENV)/.test check
	$(BIN)/python -m pytest -m "not long" -n 2 --dist loadfile --no-loadscope-reorder

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The tests that train, kill and resume at length; run before an issue is called resolved.
long: $(VENV)/.test
	$(BIN)/python -m pytest -m long

# Every strategy on every recorded table, then docs/benchmarks.md. It goes on where it was stopped.
bench: $(VENV)/.bench
	@echo "Searching on the recorded tables: hours of two cores from nothing, minutes left are shown;"
	@echo "Ctrl-C at any time, the same command goes on. Less: make bench SEEDS=3."
	$(BIN)/python -m benchmarks.replay.compare --tables benchmarks/tables/*.parquet --out $(BENCH_OUT) \
		--seeds $(SEEDS) --processes 2 $(if $(REGISTRY),--registry $(REGISTRY))
	$(BIN)/python -m benchmarks.replay.compare --tables benchmarks/tables/*.parquet --out $(BENCH_OUT) \
		--seeds $(SEEDS) --processes 2 --workers 8 --only $(BENCH_OURS)
	$(BIN)/python -m benchmarks.page.page --results $(BENCH_OUT) --frozen $(FROZEN)

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=…")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV): a few minutes and about 6 GB, once."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV): a few minutes and about 7 GB, once."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$(TEST_EXTRAS)]"
	@touch $(VENV)/.run $@

$(VENV)/.bench: pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV): a few minutes and about 7 GB, once."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[bench]"
	@touch $(VENV)/.run $@

clean:
	rm -rf $(VENV)
