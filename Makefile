# The few commands a person types. What they need beyond Python and make, they bring up themselves and stop again.

PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench docs clean

help:  ## say what there is
	@sed -n 's/^\([a-z]*\):.*  ## /make \1	/p' Makefile | expand -t 14

demo: .venv/.ready  ## a layer's life on the real engine, without an AWS account
	@$(BIN)/python -m tools.demo

# The parts come up once before pytest, which would hide how long they take the first time.
test: lint  ## lint, then all tests, against the real parts
	@$(BIN)/python -m tools.parts
	@$(BIN)/python -m tools.lockers
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --cov --cov-report=term

lint: .venv/.ready  ## style, types, and who may import whom
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: .venv/.ready  ## side by side with the peers
	@$(BIN)/python -m benchmarks

docs: .venv/.ready  ## check that every link in the documentation leads somewhere
	@$(BIN)/python -m tools.check_docs

clean:  ## remove what the other commands left in this folder
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage .coverage.* dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "$(PYTHON) is missing or older than Python 3.10: name another one with \`make PYTHON=...\`" >&2; exit 1; }
	@echo "Setting up .venv ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@
