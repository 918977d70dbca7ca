#!/bin/sh
# The end-to-end tests over an extension that is built with ASan and UBSan.
# Usage: asan-tests.sh VENV
set -eu
venv=$1
site="$venv/asan"
"$venv/bin/python" -m pip --disable-pip-version-check -q install --upgrade --no-deps \
    --target "$site" -Cbuild-dir="$venv/build-asan" -Csetup-args=-Dbuildtype=debugoptimized \
    -Csetup-args=-Db_ndebug=false -Csetup-args=-Db_lto=false -Csetup-args=-Db_lundef=false \
    -Csetup-args=-Db_sanitize=address,undefined .
# CPython's own arenas would hide errors; what it leaks at exit is not ours to count. The tests of
# memory measure what the process takes, which here is mostly the sanitizer's.
PYTHONPATH="$PWD/$site" PYTHONMALLOC=malloc TEST_PRELOAD="$(cc -print-file-name=libasan.so)" \
    ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
    "$venv/bin/pytest" -n 3 tests/e2e -m "not slow" -k "tcp-1w or tls-1w"
