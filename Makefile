# The two commands of the README are `make demo` and `make test`; both set up what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo test check faults bench bench-peers timeline soak clean

$(VENV)/.edge: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet -c constraints.txt -e ".[demo]"
	@touch $@

$(VENV)/.dev: $(VENV)/.edge
	$(PIP) install --quiet -c constraints.txt -e ".[trainer,dev]"
	@touch $@

demo: $(VENV)/.edge            ## run gate, page and trainer link on simulated parts
	$(BIN)/linegate demo $(ARGS)

check: $(VENV)/.dev            ## style, types, direction of imports
	$(BIN)/ruff format --check edge trainer tests
	$(BIN)/ruff check edge trainer tests
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check                    ## everything that CI runs
	$(BIN)/python -m pytest --ignore=tests/bench $(ARGS)

faults: $(VENV)/.dev           ## break everything once, and write build/faults.md
	$(BIN)/python -m pytest tests/faults --no-header -q -p no:cacheprovider $(ARGS)

bench: $(VENV)/.dev            ## speed and memory, written down by hand in docs/benchmarks.md
	-$(BIN)/linegate bench
	$(BIN)/python -m pytest tests/bench --no-header -q -s -p no:cacheprovider $(ARGS)

bench-peers: $(VENV)/.dev      ## the prediction server beside others, in one run: tests/bench/peers
	PYTHONPATH=tests $(BIN)/python -m bench.peers $(ARGS)

timeline: $(VENV)/.dev         ## where the time of a part goes, step by step
	PYTHONPATH=tests $(BIN)/python -m bench.timeline $(ARGS)

soak: $(VENV)/.dev             ## an hour of trouble, or ARGS="--minutes 5"; needs mosquitto, stress-ng, gcc
	PYTHONPATH=tests $(BIN)/python -m soak $(ARGS)

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
