# make help lists what there is. Everything runs in a virtual environment that make sets up itself.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# half of make test, by time
CELL_TESTS := tests/end_to_end tests/toolchain
CUDA_TESTS := tests/emulator tests/cuda tests/bench/test_device_profile.py
# half of them, by time
CUDA_CELLS := tests/cuda/test_emulated_cells.py tests/cuda/test_emulated_random_cells.py \
	tests/cuda/test_nvcc_texts.py tests/cuda/test_products.py

.DEFAULT_GOAL := help
.PHONY: help demo test test-cells test-parts test-cuda test-cuda-cells test-cuda-parts test-all \
	exhaustive check fuzz format generated clean

help: ## show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(BIN)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	touch $@

$(BIN)/.checkers: $(BIN)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[check]'
	touch $@

demo: $(BIN)/.installed ## train GRU-D on the bundled ICU stays
	$(BIN)/python examples/physionet/train.py --compare

test: $(BIN)/.installed ## run all tests, on two processors
	$(MAKE) --no-print-directory -j2 --output-sync=target test-cells test-parts
	@echo "left out: $(CUDA_TESTS), which make test-cuda runs"

test-cells: $(BIN)/.installed
	$(BIN)/python -m pytest $(CELL_TESTS)

test-parts: $(BIN)/.installed
	$(BIN)/python -m pytest $(addprefix --ignore=,$(CELL_TESTS) $(CUDA_TESTS))

# CUDA's compiler and headers come from PyPI where there is no toolkit; tests that lack them, or g++,
# are skipped and say so
$(BIN)/.cuda: $(BIN)/.installed
	$(BIN)/python tests/emulator/build.py || $(BIN)/python -m pip install --quiet \
		--disable-pip-version-check -c constraints.txt -e '.[cuda-test]' || true
	if $(BIN)/python tests/emulator/build.py; then touch $@; fi

test-cuda: $(BIN)/.cuda ## run CUDA kernels on the CPU, and compile them with nvcc
	$(MAKE) --no-print-directory -j2 --output-sync=target test-cuda-cells test-cuda-parts

test-cuda-cells: $(BIN)/.cuda
	$(BIN)/python -m pytest $(CUDA_CELLS)

test-cuda-parts: $(BIN)/.cuda
	$(BIN)/python -m pytest $(filter-out $(CUDA_CELLS),$(CUDA_TESTS)) \
		$(addprefix --ignore=,$(CUDA_CELLS))

test-all: ## all tests with all combinations that CI makes a selection of (hours)
	GRUGEN_ALL=1 $(MAKE) --no-print-directory test test-cuda

exhaustive: $(BIN)/.installed ## functions of vectors at all numbers of float32 (an hour)
	GRUGEN_EXHAUSTIVE=1 $(BIN)/python -m pytest tests/openmp/test_vector_math.py -k test_error

check: $(BIN)/.checkers ## lint, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fuzz: $(BIN)/.installed ## look for cells that go wrong, until interrupted
	$(BIN)/python -m tests.fuzz

format: $(BIN)/.checkers ## lay out all Python files
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format .

generated: $(BIN)/.installed ## write the committed generated sources anew
	$(BIN)/grugen build gru gru_d --target sequential
	$(BIN)/grugen build gru gru_d --target openmp
	$(BIN)/grugen build gru gru_d --target cuda

clean: ## remove the virtual environment and caches of tools
	rm -rf $(VENV) build *.egg-info .hypothesis .pytest_cache .mypy_cache .ruff_cache
