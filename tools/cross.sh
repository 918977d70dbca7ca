#!/bin/sh
# Compiles the rooms below Python for aarch64 and, with an emulator, runs the parser's tests there.
# Usage: cross.sh BUILD_DIRECTORY
set -eu
build=$1
cc=aarch64-linux-gnu-gcc
flags="-std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Wconversion -Wshadow -Werror -Isrc"
mkdir -p "$build"
objects=
for source in src/base/*.c src/net/*.c src/http/*.c src/gateway/null.c src/wire/*.c; do
    case $source in
    *sys_macos.c | *_sse2.c | *_sse42.c | *_avx2.c | *_x86.c | *_generic.c) continue ;;
    esac
    object="$build/$(echo "$source" | tr / _).o"
    # The headers of libuv and libssl are the same on every such architecture.
    # shellcheck disable=SC2086
    $cc $flags -idirafter /usr/include -idirafter "/usr/include/$(cc -dumpmachine)" -c "$source" -o "$object"
    case $source in
    src/base/* | src/wire/*) objects="$objects $object" ;;
    esac
done
echo "aarch64: compiled"
if ! command -v qemu-aarch64 >/dev/null 2>&1; then
    echo "aarch64: not run, because there is no qemu-aarch64"
    exit 0
fi
for test in tests/unit/wire/test_*.c; do
    program="$build/$(basename "$test" .c)"
    # shellcheck disable=SC2086
    $cc $flags -static -Itests "$test" $objects -o "$program"
    CORPUS_DIR=tests/corpus qemu-aarch64 "$program"
done
