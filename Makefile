# Two commands do everything, and both are safe to repeat:
#   make run    environment, install, index of data/, a first search
#   make test   environment, style, types, tests (those of the site in a browser where /usr/bin/chromium is)
# And for those who change the code:
#   make bench  every figure of the README (BEIR='--beir FOLDER' adds public collections, LARGE='--large INDEX' a large index)
#   make docs   the README's example output, from the commands it shows
#   make soak   keeps a server busy for an hour and writes a row of the README's reliability table (HOURS=0.1: for less)
# And for those who publish it (with tools of their own in .venv-tools):
#   make wheel  dist/: the wheel and the source, the same bytes from the same files
#   make sbom   dist/: the bill of materials (CycloneDX), with licences and the default encoder's files by hash
#   make pins   constraints.txt and supply/tools.txt again, what is new in them only (UPGRADE=--upgrade: all to the newest)
#   make audit  asks the network for known vulnerabilities of what is pinned
#   make licences  LICENCES-THIRD-PARTY.md, from what is installed
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

TOOLS := .venv-tools
COMPILE := $(TOOLS)/bin/uv pip compile --quiet --universal --python-version 3.10 --no-header --no-annotate $(UPGRADE)

.PHONY: run test lint bench docs soak wheel sbom pins audit licences clean

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
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.site
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.serve

soak: $(VENV)/test.done
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.soak --hours $(or $(HOURS),1)

docs: $(VENV)/test.done
	HF_HUB_OFFLINE=1 $(BIN)/python -m tests.test_docs

$(TOOLS)/tools.done: supply/tools.txt
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip --disable-pip-version-check install --quiet --requirement supply/tools.txt
	@touch $@

wheel: $(TOOLS)/tools.done
	SOURCE_DATE_EPOCH=315532800 $(TOOLS)/bin/hatchling build --clean

sbom: $(VENV)/run.done $(TOOLS)/tools.done
	$(TOOLS)/bin/python -m supply.sbom $$($(BIN)/python -c 'import site; print(*site.getsitepackages())')

# Pins that still fit stay as they are.
pins: $(TOOLS)/tools.done
	$(COMPILE) supply/tools.in --output-file supply/tools.txt
	$(COMPILE) pyproject.toml --all-extras --constraint supply/held.in --output-file constraints.txt
	{ cat supply/pins.head constraints.txt; } > constraints.new && mv constraints.new constraints.txt

audit: $(TOOLS)/tools.done
	$(TOOLS)/bin/python -m supply.audit

licences: $(VENV)/test.done
	$(BIN)/python -m supply.licences

clean:
	rm -rf $(VENV) $(TOOLS) build dist
