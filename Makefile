# Everything a person or CI runs. Needs make and Python 3.11 to 3.13 with pip; `make help` lists the targets.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
# Passed to pip when it installs torch, and only then: the place to name PyTorch's CPU index.
export TORCH_ARGS ?=
# Passed to the command of demo, test, bench and torture.
ARGS ?=
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
UV_VERSION := 0.13.9

.DEFAULT_GOAL := help
.PHONY: help venv demo test check bench torture dashboards lock pictures clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## */  make \1\t/' | expand -t 20

venv: $(STAMP)  ## create .venv and install what the lock files pin

# Any Python can read the check; what it calls needs one that passes.
$(STAMP): requirements.lock requirements-torch.lock pyproject.toml deploy/install.py
	@command -v $(PYTHON) >/dev/null || { echo "make venv: no $(PYTHON) here: install Python 3.11 to 3.13, or" \
	    "name one with make PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else \
	    "make venv: need Python 3.11 to 3.13, got %s; name one with make PYTHON=..." % sys.version.split()[0])'
	@$(PYTHON) deploy/install.py $(VENV)

demo: $(STAMP)  ## replay record 208 through a broker and the worker; ARGS="--ward 32", "--speed 1 --keep ..."
	$(BIN)/ecg-monitor demo $(ARGS)

test: $(STAMP)  ## run the tests; those that need ECG_DATA, KAFKA_HOME or CHROMIUM are skipped without them
	$(BIN)/python -m pytest $(ARGS)

# Many tests wait for brokers and processes, so two at a time take little more than half of the time. By file,
# since what a file's tests share is made once; in their order, since the slowest files have few tests, and
# xdist would leave those to the end.
AT_ONCE ?= -n 2 --dist loadfile --no-loadscope-reorder
# Compiled code shows no branches, so the kernels' own tests run once more as plain Python for the coverage.
# Named, not searched for: pytest refuses a path that is gone.
KERNELS := tests/monitor/ecg tests/monitor/adapt tests/monitor/model/test_scoring.py tests/monitor/model/test_calibration.py

check: $(STAMP)  ## what CI runs: format, lint, types, layers, tests with branch coverage
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy deploy/install.py deploy/grafana/*.py
	$(BIN)/lint-imports
	rm -f .coverage
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -q $(AT_ONCE) --cov --cov-report= \
	    -m "not mitdb and not integration and not kafka" $(KERNELS)
	$(BIN)/python -m pytest $(AT_ONCE) --cov --cov-append --cov-report=term $(ARGS)

bench: $(STAMP)  ## measure the model and the path; writes build/bench.json
	@mkdir -p build
	$(BIN)/ecg-monitor bench --json build/bench.json $(ARGS)

torture: $(STAMP)  ## kill, freeze, poison on KAFKA_HOME, compare what was written; ARGS="--short", ARGS="--only crash"
	$(BIN)/python -m tests.torture --json build/torture.json $(ARGS)

dashboards: $(STAMP)  ## write deploy/grafana/dashboards from deploy/grafana/*.py
	$(BIN)/python deploy/grafana/build.py

pictures: $(STAMP)  ## draw docs/bedside-*.png from the page in Chromium, over a broker and a worker
	CHROMIUM=$${CHROMIUM:-$$(command -v chromium)} $(BIN)/python -m tests.benchmarks.bedside_pictures

# Universal: one resolution for Python 3.11 to 3.13 and all platforms, split by markers where it must be.
# torch stands apart without a hash (its CPU and CUDA builds differ under one version), and so do its CUDA parts.
CUDA := nvidia-cublas nvidia-cuda-cccl nvidia-cuda-cupti nvidia-cuda-nvrtc nvidia-cuda-runtime nvidia-cudnn-cu13 \
    nvidia-cufft nvidia-cufile nvidia-curand nvidia-cusolver nvidia-cusparse nvidia-cusparselt-cu13 nvidia-nccl-cu13 \
    nvidia-nvjitlink nvidia-nvshmem-cu13 nvidia-nvtx cuda-bindings cuda-pathfinder cuda-toolkit triton
COMPILE_FROM = build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
    --no-header --constraint requirements-torch.lock $(UPGRADE) \
    $(addprefix --no-emit-package=,torch $(CUDA))
COMPILE = $(COMPILE_FROM) pyproject.toml
# UPGRADE=--upgrade takes newer releases; without it what is locked stays.
UPGRADE ?=

lock: build/lock/bin/uv  ## resolve pyproject.toml again into the lock files; UPGRADE=--upgrade takes newer releases
	$(COMPILE) --extra dev --output-file requirements.lock
	$(COMPILE) --constraint requirements.lock --output-file deploy/worker.lock
	for extra in demo training; do \
	    $(COMPILE) --constraint requirements.lock --extra $$extra --output-file deploy/$$extra.lock \
	        $$(sed -nE 's/^([A-Za-z0-9._-]+)==.*/--no-emit-package=\1/p' deploy/worker.lock) || exit 1; \
	done
	sed -nE 's/^requires = \["(.*)"\]$$/\1/p' pyproject.toml \
	    | $(COMPILE_FROM) --constraint requirements.lock --output-file deploy/build.lock -
	sed -i '1i # Written by `make lock`; what builds the wheel.' deploy/build.lock
	sed -i '1i # Written by `make lock`; requirements-torch.lock is installed after it.' requirements.lock deploy/worker.lock
	sed -i '1i # Written by `make lock`; what the extra adds to worker.lock.' deploy/demo.lock deploy/training.lock

build/lock/bin/uv:
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install uv==$(UV_VERSION)

clean:  ## remove .venv and everything built
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage*
