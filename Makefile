# `make demo` and `make test` set everything up from nothing; every target is usable again and again.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# A virtual screen where one can be had, so that windows are tested with real OpenGL.
SCREEN := $(shell command -v xvfb-run >/dev/null 2>&1 && echo 'env QT_QPA_PLATFORM=xcb xvfb-run -a -s "-screen 0 1280x800x24"')

.PHONY: demo test test-slow test-explore test-gpu train-smoke screenshots check lint types contracts bench run setup clean

demo: setup
	$(BIN)/python run_scanner.py scan 'synthetic:room?seed=7&frames=240&chest=1' --out out/demo
	@echo "Look at out/demo/preview.png; open out/demo/mesh.glb in any viewer."

test: setup
	$(SCREEN) $(BIN)/python -m pytest

test-slow: setup
	$(SCREEN) $(BIN)/python -m pytest -m slow

test-explore: setup
	$(SCREEN) $(BIN)/python -m pytest --hypothesis-profile=explore

test-gpu: setup
	$(BIN)/python -m pytest -m gpu

train-smoke: setup
	rm -rf out/train-smoke
	$(BIN)/python -m engine.training depth --size smoke --minutes 2 --fall 1.15 --out out/train-smoke

screenshots: setup
	$(SCREEN) $(BIN)/python -m app.screenshots

check: lint types contracts

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

contracts: setup
	$(BIN)/lint-imports

bench: setup
	$(BIN)/python run_scanner.py bench --suite fusion

run: setup
	$(BIN)/python run_scanner.py

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml scripts/setup.sh
	PYTHON=$(PYTHON) sh scripts/setup.sh $(VENV)
	@touch $@

clean:
	rm -rf out .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
