# Two commands do everything, and both are safe to repeat:
#   make run    environment, install, index of data/, a first search
#   make test   environment, style, types, tests (those of the site in a browser where /usr/bin/chromium is)
# And for those who change the code:
#   make bench  every figure of the README (BEIR='--beir FOLDER' adds public collections, LARGE='--large INDEX' a large index, PAPERS='--papers FILE' real notes for builds)
#   make docs   the README's example output, from the commands it shows
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: run test lint bench docs clean

run: $(VENV)/run.done
	@$(BIN)/kindred index
	@echo && echo '$$ kindred search "reward hacking" -k 3' && echo
	@$(BIN)/kindred search "reward hacking" -k 3
	@echo && echo '$$ kindred search "how do reward models fail when the policy exploits them?" -k 3' && echo
	@$(BIN)/kindred search "how do reward models fail when the policy exploits them?" -k 3
	@echo && echo '$$ kindred related can-judges-that-reason-about-reasoning-outperform-classifier-rewards -k 3' && echo
	@$(BIN)/kindred related can-judges-that-reason-about-reasoning-outperform-classifier-rewards -k 3
	@echo && echo 'Now type:  $(BIN)/kindred search "your own question"'

test: lint
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest

lint: $(VENV)/test.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/python.done:
	$(PYTHON) -c 'import sys; sys.exit("Kindred needs Python 3.10 or newer, and this is " + sys.version) if sys.version_info < (3, 10) else None'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/run.done: $(VENV)/python.done pyproject.toml constraints.txt
	$(PIP) --editable .
	@touch $@

$(VENV)/test.done: $(VENV)/run.done
	$(PIP) --editable '.[dev]'
	@touch $@

bench: $(VENV)/test.done
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.quality $(BEIR)
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.explore $(LARGE)
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.cold
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.vectors
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.building $(PAPERS)
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.site
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.serve

docs: $(VENV)/test.done
	HF_HUB_OFFLINE=1 $(BIN)/python -m tests.test_docs

clean:
	rm -rf $(VENV) build dist
