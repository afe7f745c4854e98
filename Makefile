# Hedgerow. Every target sets up what it needs; the second time is quick.
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-board lint bench fuzz aioble clean
PYTHON ?= python3
BIN := .venv/bin
VENV := .cache/venv.stamp
MICROPYTHON := .cache/micropython.stamp
NAME :=
PORT :=
PORT2 :=
BOARD :=
FIRMWARE :=
SECONDS := 60
SEED :=

help:
	@echo "make demo    a letter crosses three virtual boards, explained step by step"
	@echo "make test    all tests, on CPython and on 64-bit and 32-bit MicroPython"
	@echo "make test-board PORT=/dev/ttyUSB0  erase the board there, flash it, and test it"
	@echo "make lint    ruff, mypy, the three floors, and what core may use"
	@echo "make bench   what can be measured; NAME=codec measures it"
	@echo "make fuzz    damaged bytes for every parser, for SECONDS=60"
	@echo "make setup   only what the others need"
	@echo "make aioble  fetch the real aioble for the lab (needs the internet)"
	@echo "make clean   remove what was set up"

$(VENV): pyproject.toml constraints.txt
	@mkdir -p .cache
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[lab,dev]'
	@touch $@

$(MICROPYTHON): tools/get_micropython
	@mkdir -p .cache
	$(BIN)/python tools/get_micropython
	@touch $@

setup: $(VENV) $(MICROPYTHON)

demo: setup
	@$(BIN)/hedgerow demo

test: setup
	@tools/run_core_tests
	@$(BIN)/python tools/measure_heap
	@$(BIN)/python -m pytest tests -n auto --dist worksteal

test-board: setup
	@test -n "$(PORT)" || { echo "make test-board needs PORT=..., the port of a board that may be erased" >&2; exit 2; }
	@HEDGEROW_TEST_KIND=$(BOARD) HEDGEROW_TEST_FIRMWARE=$(FIRMWARE) HEDGEROW_TEST_PORT2=$(PORT2) \
		$(BIN)/python -m pytest tests/boards/test_hardware.py --port $(PORT)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=firmware $(BIN)/lint-imports
	$(BIN)/python tools/check_core

bench: setup
	@$(BIN)/python tools/bench/run.py $(NAME)

fuzz: setup
	@$(BIN)/python -m fuzz --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

aioble: setup
	$(BIN)/python tools/get_aioble

clean:
	rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis
