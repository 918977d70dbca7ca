#!/bin/sh
# Runs every fuzz target of a build directory for some seconds, from the corpus of the tests.
# Usage: fuzz.sh BUILD_DIRECTORY SECONDS
set -eu
build=$1
seconds=$2
for target in "$build"/tests/fuzz/fuzz_*; do
    [ -f "$target" ] && [ -x "$target" ] || continue
    name=$(basename "$target")
    work="$build/corpus/$name"
    mkdir -p "$work"
    echo "fuzzing $name for $seconds s"
    if ! "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
        -artifact_prefix="$build/$name-" -print_final_stats=1 \
        "$work" tests/corpus/valid tests/corpus/invalid >"$build/$name.log" 2>&1; then
        tail -40 "$build/$name.log"
        echo "$name failed; the input is kept as $build/$name-*" >&2
        exit 1
    fi
    grep -E 'stat::number_of_executed_units' "$build/$name.log"
done
