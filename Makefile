# Two commands do everything, and both are safe to repeat:
#   make run    environment, install, index of data/, a first search
#   make test   environment, style, types, tests (those of the site in a browser where /usr/bin/chromium is)
# And for those who change the code:
#   make bench  every figure of the README but those under "How reliable", from the owner's notes and made ones; and with
#               make bench BEIR='FOLDER FOLDER' PAPERS=FILE VECTORS=FILE SIZES=N,N LARGE=INDEX
#               from what is given besides (what was measured with it before stays while it is not given):
#               BEIR     public collections: folders in BEIR's form, with corpus.jsonl, queries.jsonl and qrels/test.tsv
#               PAPERS   JSON lines with id, title, description and topic, plain or gzip (.gz)
#               VECTORS  the papers' vectors by the default encoder, a row each, .npy of float32 or float16
#               SIZES    how many notes, 203 for the owner's; more than the papers are put together from them
#               LARGE    folders of indexes of many notes
#   make bench-peers   of these, Kindred beside other systems, which get an environment of their own (.venv-peers)
#   make bench-growth  of these, Kindred's costs at growing sizes
#   make bench-cluster  of these, an index on Milvus beside one in a folder, with servers of their own (.venv-milvus2, -3)
#   make docs   the README's example output, from the commands it shows
# These three write the table under "How reliable" in the README, a row each or more:
#   make faults every fault of tests/faults (8 minutes; make test tries some of each)
#   make fuzz   hostile inputs to readers, grammar and index files (MINUTES=8; Linux, Python 3.11 or newer)
#   make soak   keeps a server busy for an hour (HOURS=0.1: for less)
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

.PHONY: run test lint bench bench-peers bench-growth bench-cluster docs faults fuzz soak wheel sbom pins audit licences clean

run: $(VENV)/run.done
	@$(BIN)/kindred index
	@echo && echo '$$ kindred search "reward hacking" -k 3' && echo
	@$(BIN)/kindred search "reward hacking" -k 3
	@echo && echo '$$ kindred search "how do reward models fail when the policy exploits them?" -k 3' && echo
	@$(BIN)/kindred search "how do reward models fail when the policy exploits them?" -k 3
	@echo && echo '$$ kindred related can-judges-that-reason-about-reasoning-outperform-classifier-rewards -k 3' && echo
	@$(BIN)/kindred related can-judges-that-reason-about-reasoning-outperform-classifier-rewards -k 3
	@echo && echo 'Now type:  $(BIN)/kindred search "your own question"'

test: lint .venv-milvus2/done .venv-milvus3/done
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest

lint: $(VENV)/test.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@if $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then echo $(BIN)/mypy; $(BIN)/mypy; \
	else echo "types are checked with Python 3.11 or newer: the last numpy for 3.10 tells too little of its own"; fi

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

# What is given from outside, as options; each bench gets those that it knows (benchmarks/outside.py).
# All lines of a recipe are expanded before the first is run: a name without a file is known at once, not after hours.
there = $(or $(wildcard $(1)),$(error $(1) is not there))
beir = $(foreach folder,$(BEIR),--beir $(call there,$(folder)))
large = $(foreach index,$(LARGE),--large $(call there,$(index)))
papers = $(if $(PAPERS),--papers $(call there,$(PAPERS)))
vectors = $(if $(VECTORS),--vectors $(call there,$(VECTORS)))
sizes = $(if $(SIZES),--sizes $(SIZES))

bench: $(VENV)/test.done
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.quality --tune notes $(beir)
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.explore $(large)
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.cold
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.encoding $(papers)
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.vectors $(large)
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.legs $(large)
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.building $(papers) $(sizes)
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.site
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.serve
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.spark $(papers) $(vectors) $(sizes)
	$(MAKE) bench-peers bench-growth bench-cluster
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.sizes $(large)

bench-peers: $(VENV)/bench.done .venv-peers/done
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.peers $(papers) $(vectors) $(sizes) $(beir)

bench-growth: $(VENV)/bench.done
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.growth $(papers) $(vectors) $(sizes)

bench-cluster: $(VENV)/bench.done .venv-milvus2/done .venv-milvus3/done
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.cluster $(papers) $(vectors) $(sizes)

$(VENV)/bench.done: $(VENV)/test.done
	$(PIP) --editable '.[bench]'
	@touch $@

.venv-peers/done: benchmarks/peers/requirements.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip --disable-pip-version-check install --quiet --requirement benchmarks/peers/requirements.txt
	@touch $@

# The two servers that tests/cluster asks, each in an environment of its own: two versions of one distribution.
.venv-milvus%/done: tests/cluster/lite%.txt
	$(PYTHON) -m venv .venv-milvus$*
	.venv-milvus$*/bin/python -m pip --disable-pip-version-check install --quiet --requirement $<
	@touch $@

faults: $(VENV)/test.done .venv-milvus2/done .venv-milvus3/done
	HF_HUB_OFFLINE=1 KINDRED_FAULTS=all KINDRED_CLUSTER=required $(BIN)/python -m pytest tests/faults tests/cluster/test_faults.py

# Coverage decides what is tried next; what broke a promise is printed, and lies in build/fuzz.
MINUTES ?= 8
fuzz: $(VENV)/test.done
	$(PIP) --editable '.[fuzz]'
	HF_HUB_OFFLINE=1 $(BIN)/python -m fuzz --minutes $(MINUTES)

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

sbom: $(VENV)/test.done $(TOOLS)/tools.done
	$(TOOLS)/bin/python -m supply.sbom $$($(BIN)/python -c 'import site; print(*site.getsitepackages())')

# Pins that still fit stay as they are.
pins: $(TOOLS)/tools.done
	$(COMPILE) supply/tools.in --output-file supply/tools.txt
	$(COMPILE) pyproject.toml --all-extras --constraint supply/held.in --output-file constraints.txt
	{ cat supply/pins.head constraints.txt; } > constraints.new && mv constraints.new constraints.txt
	$(COMPILE) tests/cluster/lite2.in --output-file tests/cluster/lite2.txt
	$(COMPILE) tests/cluster/lite3.in --constraint constraints.txt --output-file tests/cluster/lite3.txt

audit: $(TOOLS)/tools.done
	$(TOOLS)/bin/python -m supply.audit

licences: $(VENV)/test.done
	$(BIN)/python -m supply.licences

clean:
	rm -rf $(VENV) $(TOOLS) .venv-peers .venv-milvus2 .venv-milvus3 build dist
