#!/bin/sh
# Runs every fuzz target of a build directory for some seconds, two at a time, from the corpus of
# the tests. Usage: fuzz.sh BUILD_DIRECTORY SECONDS [TARGET]
set -eu
build=$1
seconds=$2
if [ $# -eq 2 ]; then
    echo "fuzzing, $seconds s a target"
    find "$build/tests/fuzz" -maxdepth 1 -type f -name 'fuzz_*' -perm -u+x |
        xargs -P 2 -n 1 "$0" "$build" "$seconds"
    exit
fi
target=$3
name=$(basename "$target")
work="$build/corpus/$name"
mkdir -p "$work"
if ! "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
    -artifact_prefix="$build/$name-" -print_final_stats=1 \
    "$work" tests/corpus/valid tests/corpus/invalid tests/corpus/websocket tests/corpus/proxied \
    >"$build/$name.log" 2>&1; then
    tail -40 "$build/$name.log"
    echo "$name failed; the input is kept as $build/$name-*" >&2
    exit 1
fi
echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$build/$name.log") inputs"
