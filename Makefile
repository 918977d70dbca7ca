# make serve        install what is missing, build, serve examples/hello.py on port 8000
# make test         install what is missing, build, run every test
# make conformance  run the Autobahn WebSocket test suite against freastal
# make bench        measure against the bare floor and the peers
# make help         all targets
#
# PYTHON chooses the interpreter (CPython 3.10 or newer), VENV where its environment stands.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
FUZZ_SECONDS ?= 30

SOURCES := $(shell find src freastal -name '*.[ch]' -o -name '*.def' -o -name '*.py' -o \
    -name '*.pyi' -o -name '*.html' -o -name meson.build) meson.build meson_options.txt \
    pyproject.toml

.PHONY: help serve test bench bench-parser build check unit sanitize fuzz cross python-tests \
    asan-tests tls-tests kernel-tls-tests conformance format clean

help:
	@grep -E '^# make' Makefile | cut -c3-
	@echo "make unit, sanitize, fuzz, cross, python-tests, asan-tests, check: parts of make test"
	@echo "make tls-tests, kernel-tls-tests, conformance, bench-parser, format, clean"

# --- set-up: each step leaves a stamp, so that the second time is quick ---

$(VENV)/.made:
	@tools/system-packages.sh build $(PYTHON)
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install -U pip "tomli>=2; python_version < '3.11'"
	@touch $@

$(VENV)/.installed: $(VENV)/.made $(SOURCES)
	@echo "building freastal"
	@$(PIP) install --force-reinstall --no-deps -Cbuild-dir=$(VENV)/build .
	@touch $@

$(VENV)/.test-tools: $(VENV)/.made tests/requirements.txt tools/requirements.txt
	@echo "installing the tools of the tests"
	@tools/system-packages.sh test $(PYTHON)
	@$(PIP) install -r tests/requirements.txt -r tools/requirements.txt meson ninja
	@touch $@

build: $(VENV)/.installed

serve: build
	@$(BIN)/freastal --app-dir examples hello:app

# --- tests ---

test: check unit sanitize fuzz cross python-tests asan-tests
	@echo "all tests passed"

check: $(VENV)/.installed $(VENV)/.test-tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python tools/options_doc.py --check
	clang-format --dry-run -Werror $$(git ls-files '*.c' '*.h')

MESON = PATH="$(CURDIR)/$(BIN):$$PATH" meson

# configure DIRECTORY, OPTIONS: sets a build directory up once.
configure = test -f $(1)/build.ninja || $(MESON) setup $(1) $(2) -Dextension=false >$(1).log 2>&1 \
    || { cat $(1).log; exit 1; }

build/unit build/sanitize build/fuzz build/cross: | build-directory
build-directory:
	@mkdir -p build

unit: $(VENV)/.test-tools build-directory
	@$(call configure,build/unit,-Dtests=true -Dwerror=true -Db_lto=false)
	$(MESON) test -C build/unit --suite unit --print-errorlogs

sanitize: $(VENV)/.test-tools build-directory
	@$(call configure,build/sanitize,-Dtests=true -Dwerror=true -Dbuildtype=debug -Db_lto=false \
	    -Db_sanitize=address$(comma)undefined)
	$(MESON) test -C build/sanitize --suite unit --print-errorlogs

comma := ,

fuzz: $(VENV)/.test-tools build-directory
	@CC=clang; export CC; $(call configure,build/fuzz,-Dfuzz=true -Dbuildtype=debugoptimized \
	    -Db_ndebug=false -Db_lto=false -Db_lundef=false -Db_sanitize=address$(comma)undefined)
	$(MESON) compile -C build/fuzz
	tools/fuzz.sh build/fuzz $(FUZZ_SECONDS)

# aarch64: compiled, and its parser run where an emulator is there.
cross: $(VENV)/.test-tools build-directory
	tools/cross.sh build/cross

# TESTS: options for pytest, as -k websocket.
python-tests: $(VENV)/.installed $(VENV)/.test-tools
	$(BIN)/pytest -n 4 tests $(TESTS)

# The end-to-end tests once more over an extension with ASan and UBSan.
asan-tests: $(VENV)/.installed $(VENV)/.test-tools
	tools/asan-tests.sh $(VENV)

# The end-to-end tests once more, those of one transport over TLS. TESTS: as above.
tls-tests: $(VENV)/.installed $(VENV)/.test-tools
	TEST_TRANSPORT=tls $(BIN)/pytest -n 3 tests/e2e -k "not unix" $(TESTS)

# Tests of TLS where the kernel encrypts, in an emulated machine. TESTS: which, else those that move
# bytes.
KERNEL_TLS = $(or $(TESTS),tests/e2e/test_tls_data.py tests/e2e/test_tls_connection.py)
kernel-tls-tests: $(VENV)/.installed $(VENV)/.test-tools
	@tools/system-packages.sh kernel-tls $(PYTHON)
	tools/kernel-tls.sh $(abspath $(VENV))/kernel-tls 3000 "$(abspath $(BIN))/pytest -v -p no:cacheprovider \
	    $(KERNEL_TLS) && awk '/^TlsTxSw/ { print \$$0; exit \$$2 == 0 }' /proc/net/tls_stat"

# CONFORMANCE: options for tests/conformance/run.py, as --cases '6.*'.
conformance: $(VENV)/.installed
	$(BIN)/python tests/conformance/run.py $(CONFORMANCE)

# BENCH: options for bench/run.py, as --only asgi; without any, handshakes of TLS are measured as well.
bench: $(VENV)/.made
	@tools/system-packages.sh bench $(PYTHON)
	$(BIN)/python bench/run.py $(BENCH)
	@test -n "$(BENCH)" || $(BIN)/python bench/handshakes.py

bench-parser: $(VENV)/.made
	@tools/system-packages.sh bench $(PYTHON)
	$(BIN)/python bench/parser/run.py

format: $(VENV)/.test-tools
	clang-format -i $$(git ls-files '*.c' '*.h')
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf build $(VENV)
