#!/bin/sh
# Builds muster for older systems than this one: linked by zig against glibc 2.28, which RHEL 8, SLES 15 SP3 and Debian 10 have.
#
#   portable.sh TARGET           prints the path of the program, TARGET/portable/muster
#
# zig and cargo-zigbuild come from PyPI, into TARGET/zig-venv.
set -eu

target=$1
newest=2.28
venv=$target/zig-venv
machine=$(uname -m)
triple=$machine-unknown-linux-gnu

if ! [ -x "$venv/bin/cargo-zigbuild" ]; then
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check ziglang==0.17.1 cargo-zigbuild==0.24.0
fi
PATH=$venv/bin:$PATH CARGO_TARGET_DIR=$target cargo zigbuild --locked --release --target "$triple.$newest" >&2

mkdir -p "$target/portable"
program=$target/portable/muster
strip --strip-unneeded -o "$program" "$target/$triple/release/muster"
asked=$(objdump -T "$program" | grep -o 'GLIBC_[0-9.]*' | sed 's/GLIBC_//' | sort -uV | tail -n 1)
if [ "$(printf '%s\n' "$asked" "$newest" | sort -V | tail -n 1)" != "$newest" ]; then
    echo "$program asks for glibc $asked, which is newer than $newest" >&2
    exit 1
fi
"$program" --version >&2
echo "$program"
