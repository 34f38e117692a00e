# Two commands for a newcomer: `make demo` and `make test`. Everything happens in .venv, from pinned dependencies.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

.PHONY: demo words test test-all test-plain coverage screenshots docs docs-screenshots gallery lint sweep reproduce precision tables bench accelerator faults check dist lowest newest clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lowerbound needs Python 3.11 or newer; make PYTHON=python3.12 …")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(READY)

demo: $(READY)  ## train on bundled digits and leave a report
	$(BIN)/lowerbound train digits --epochs 200 --out runs/demo --overwrite

words: $(READY)  ## docs/words.md and docs/formats.md, from the tables of recipes/ and data/
	$(BIN)/python -c 'from pathlib import Path; from lowerbound.recipes.page import page; Path("docs/words.md").write_text(page(), encoding="utf-8")'
	$(BIN)/python -c 'from pathlib import Path; from lowerbound.recipes.format_page import page; Path("docs/formats.md").write_text(page(), encoding="utf-8")'

test: $(READY)  ## every law, the README's commands included
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal -m "not long"  # a process a core, of one thread each

test-all: $(READY)  ## the same, and what takes long
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

#: what a processor without AVX, bfloat16 or fused multiply-adds would do: PyTorch's, oneDNN's, MKL's and our own instructions
PLAIN := ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 MKL_ENABLE_INSTRUCTIONS=SSE4_2 NUMBA_CPU_NAME=generic

test-plain: $(READY)  ## the same as on a plain processor
	$(PLAIN) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal -m "not long"

coverage: $(READY)  ## all tests, and which statements and branches they reach
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal --cov=src/lowerbound --cov-branch --cov-report=term

screenshots: $(READY)  ## pictures of each interaction with the explorer, from its tests, to be looked at
	LOWERBOUND_SCREENSHOTS=$(abspath build/screenshots) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q tests/figures/explorer tests/interfaces -k "explorer or page"

docs: $(READY)  ## build/site: the documentation, its cells run where they or the library changed; a warning or a dead link is an error
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx --quiet --jobs auto --fail-on-warning --keep-going --doctree-dir build/doctrees docs build/site

gallery: $(READY)  ## a quarter of an hour: the pictures of docs/gallery.md, by the commands that it shows
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/gallery.py

docs-screenshots: docs  ## an hour: each page, wide and narrow, light and dark, in build/site-screenshots; barriers to reading are errors
	$(BIN)/python docs/_extensions/look.py build/site build/site-screenshots

lint: $(READY)  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

sweep: $(READY)  ## an hour: every pair of words, trained in search of NaNs; goes on where it was stopped
	$(BIN)/python benchmarks/sweep.py

reproduce: $(READY)  ## hours: published experiments, run again; what was done is not done again
	for name in one-layer vampprior latent-families strangers scales rate-distortion few-labels hundred-labels missing-cells quadrants super-resolution levels-mnist levels-fashion-mnist ladder docs; do $(BIN)/python benchmarks/reproduce.py $$name || exit 1; done

precision: $(READY)  ## a minute: every law in single precision beside sixty digits
	$(BIN)/python benchmarks/laws_precision.py

tables: $(READY)  ## a day: twelve tables with holes, filled in by this project and by others; what was done is not done again
	$(BIN)/python benchmarks/tables.py
	$(BIN)/python benchmarks/tables_page.py

bench: $(READY)  ## twenty minutes on a machine that does nothing else: beside peers and the machine's limit
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/speed_page.py

accelerator: $(READY)  ## six minutes on a machine with a CUDA device: every model on it, images/s, memory
	$(BIN)/python benchmarks/accelerator.py
	$(BIN)/python benchmarks/accelerator.py --page

faults: $(READY)  ## two hours: killed, starved, damaged, fed rubbish
	cd tests && OMP_NUM_THREADS=1 $(abspath $(BIN))/python -m faults

check: lint test  ## what CI runs

dist: $(READY)  ## dist/: the wheel and the source, checked as the index of packages will
	$(PYTHON) -m venv build/tools
	build/tools/bin/pip install --quiet build twine
	rm -rf dist
	build/tools/bin/python -m build
	build/tools/bin/twine check --strict dist/*

#: the lowest and the newest versions that the ranges of pyproject.toml allow, each in a folder of its own; PyTorch is that for CPUs,
#: from its own index, or with TORCH= whatever the index of packages has
TORCH := --torch-backend cpu

lowest newest:  ## a quarter of an hour: the lowest (or newest) versions of everything, installed and tried
	rm -rf build/$@
	$(PYTHON) -m venv build/$@
	build/$@/bin/pip install --quiet uv
	build/$@/bin/uv pip compile --quiet $(TORCH) --resolution $(RESOLUTION_$@) --extra tensorboard --extra hub pyproject.toml -o build/$@.txt
	build/$@/bin/uv pip install --quiet $(TORCH) --python build/$@ -r build/$@.txt
	build/$@/bin/uv pip install --quiet --python build/$@ --no-deps .
	build/$@/bin/python tests/smoke.py

RESOLUTION_lowest := lowest-direct
RESOLUTION_newest := highest

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
