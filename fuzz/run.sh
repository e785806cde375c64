#!/bin/sh
# Fuzzes each target for FUZZ_SECONDS (60) and prints a table. Run by `make fuzz`.
#
#   run.sh [TARGET...]
#
# It works on stable Rust: the coverage that libFuzzer goes by is a flag of the compiler's back end, which RUSTC_BOOTSTRAP
# lets pass; without a sanitizer, since muster has no unsafe code and overflow checks are on. All it makes is in the target
# folder: cargo-fuzz itself, the build, new inputs, and artifacts/TARGET/ with the inputs that broke a law.
#
# With FUZZ_KEEP=1 what is new and small goes into corpus/TARGET, which the tests replay.
set -u

fuzz=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
target=${CARGO_TARGET_DIR:-$fuzz/../target}
mkdir -p "$target/fuzz"
target=$(CDPATH='' cd -- "$target" && pwd)
unset CARGO_TARGET_DIR
seconds=${FUZZ_SECONDS:-60}
tools=$target/fuzz-tools
targets=$*
[ -n "$targets" ] || targets=$(sed -n 's/^name = "\([a-z]*\)"$/\1/p' "$fuzz/Cargo.toml")

# Its own name for the machine; a build for a named one keeps these flags from build scripts.
machine=$(rustc -vV | sed -n 's/^host: //p')

if [ ! -x "$tools/bin/cargo-fuzz" ]; then
    cargo install cargo-fuzz --locked --root "$tools" || exit
fi
cd "$fuzz" || exit
RUSTC_BOOTSTRAP=1 "$tools/bin/cargo-fuzz" build --sanitizer none --codegen-units 16 --target "$machine" \
    --target-dir "$target/fuzz" || exit

crashed=0
table=$target/fuzz/table
printf '%-10s %10s %7s %7s %8s\n' target runs edges inputs crashes >"$table"
for name in $targets; do
    program=$target/fuzz/$machine/release/$name
    found=$target/fuzz/found/$name
    artifacts=$target/fuzz/artifacts/$name
    log=$target/fuzz/$name.log
    rm -rf "$artifacts"
    mkdir -p "$found" "$artifacts"
    printf 'fuzzing %s for %s s\n' "$name" "$seconds"
    # A template may not take what its bytes alone would never need.
    memory=4096
    [ "$name" != template ] || memory=1024
    # An input over 4 KiB says no more, and a law that takes half a minute is broken.
    "$program" -max_total_time="$seconds" -max_len=4096 -timeout=30 -rss_limit_mb=$memory -print_final_stats=1 \
        -verbosity=1 -artifact_prefix="$artifacts/" "$found" "corpus/$name" >"$log" 2>&1
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
    inputs=$(find "$found" -type f | wc -l)
    crashes=$(find "$artifacts" -type f | wc -l)
    printf '%-10s %10s %7s %7s %8s\n' "$name" "${runs:-?}" "${edges:-?}" "$inputs" "$crashes" >>"$table"
    if [ "$crashes" != 0 ] || [ -z "$runs" ]; then
        crashed=1
        tail -n 40 "$log"
    elif [ -n "${FUZZ_KEEP:-}" ]; then
        kept=$target/fuzz/kept/$name
        rm -rf "$kept"
        mkdir -p "$kept"
        # What is in the corpus stays; of the rest, what adds something and is small.
        "$program" -merge=1 -max_len=1024 -timeout=30 "$kept" "corpus/$name" "$found" >>"$log" 2>&1
        cp -n "$kept"/* "corpus/$name/"
    fi
done
cat "$table"
[ "$crashed" = 0 ] || printf 'the inputs are in %s\n' "$target/fuzz/artifacts"
exit "$crashed"
