#!/bin/sh
# Installs what is missing of the system packages that a task needs, and nothing else.
# Usage: system-packages.sh build|test|bench|kernel-tls PYTHON
# Asks for each thing itself (a compiler, a header), not for the package that usually has it, so
# that it is silent and quick where all is there. Debian and its kin; elsewhere it names what
# is missing and stops.
set -eu
task=$1
python=$2
missing=

want() { # want PACKAGE COMMAND…: the package is wanted where the command fails
    package=$1
    shift
    if ! "$@" >/dev/null 2>&1; then
        missing="$missing $package"
    fi
}

has_header() {
    "$python" -c "import os, sysconfig
raise SystemExit(not os.path.exists(os.path.join(sysconfig.get_paths()['include'], 'Python.h')))"
}

has_library() {
    /sbin/ldconfig -p | grep -q "$1"
}

want gcc command -v cc
want libc6-dev sh -c 'echo "#include <stdio.h>" | cc -E -'
want pkg-config command -v pkg-config
want libuv1-dev pkg-config --exists 'libuv >= 1.44'
want zlib1g-dev pkg-config --exists zlib
want libssl-dev pkg-config --exists 'openssl >= 3.0'
want python3-dev has_header
want python3-venv "$python" -c 'import venv, ensurepip'

if [ "$task" = test ]; then
    # The distribution's own Python leaves CPython's tests out; others bring them or have none.
    testsuite=$("$python" -c 'import sys
if sys.base_prefix == "/usr":
    print("libpython%d.%d-testsuite" % sys.version_info[:2])')
    [ -z "$testsuite" ] || want "$testsuite" "$python" -c 'import test.test_asyncio'
    want curl command -v curl
    want openssl command -v openssl
    want clang command -v clang
    want clang-format command -v clang-format
    want libclang-rt-14-dev sh -c 'echo "int main(void) { return 0; }" |
        clang -fsanitize=address -x c - -o /dev/null'
    want nginx-light command -v /usr/sbin/nginx
    want haproxy command -v /usr/sbin/haproxy
    want logrotate command -v /usr/sbin/logrotate
    want iproute2 command -v ip
    want libh2o0.13 has_library libh2o.so.0.13
    want gcc-aarch64-linux-gnu command -v aarch64-linux-gnu-gcc
    want libc6-dev-arm64-cross test -e /usr/aarch64-linux-gnu/include/stdint.h
    want qemu-user command -v qemu-aarch64
    want chromium sh -c 'command -v chromium || command -v google-chrome'
fi
if [ "$task" = bench ]; then
    want wrk command -v wrk
    want openssl command -v openssl
    want nginx-light command -v /usr/sbin/nginx
    want libh2o0.13 has_library libh2o.so.0.13
    want libev-dev sh -c 'echo "#include <ev.h>" | cc -E -'
    want valgrind command -v valgrind
fi
if [ "$task" = kernel-tls ]; then
    want qemu-system-x86 command -v qemu-system-x86_64
    want busybox-static command -v busybox
    want cpio command -v cpio
    want kmod test -e /sbin/modprobe
    want curl command -v curl
    want openssl command -v openssl
fi

[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null 2>&1; then
    echo "missing:$missing (the names are Debian's); install them and try again" >&2
    exit 1
fi
root=
if [ "$(id -u)" != 0 ]; then
    root=sudo
    if ! command -v sudo >/dev/null 2>&1; then
        echo "missing:$missing; install them as root: apt-get install$missing" >&2
        exit 1
    fi
fi
echo "installing system packages:$missing"
$root apt-get update -qq
# Word splitting is meant: the list is our own.
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $root apt-get install -y -qq --no-install-recommends $missing \
    >/dev/null
