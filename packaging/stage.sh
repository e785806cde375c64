#!/bin/sh
# Installs all files under a folder; `make install` and `make deb` use it.
#
#   stage.sh BINARY DESTDIR      PREFIX=/usr, SYSCONFDIR=/etc, UNITDIR=PREFIX/lib/systemd/system
#
# The binary itself prints its manual pages and completions, so it must run on this machine. An existing settings file is
# kept, and the new one is installed next to it. This script knows nothing about packages.
set -eu

binary=$1 dest=${2%/}
prefix=${PREFIX:-/usr} etc=${SYSCONFDIR:-/etc}
units=${UNITDIR:-$prefix/lib/systemd/system}
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT

lay() { # MODE FILE PLACE
    install -D -m "$1" "$2" "$dest$3"
}

lay 755 "$binary" "$prefix/bin/muster"
strip --strip-unneeded -R .comment -R .note "$dest$prefix/bin/muster"

sed "s|/usr/bin/muster|$prefix/bin/muster|; s|/etc/muster/muster.toml|$etc/muster/muster.toml|" "$here/muster.service" >"$made/unit"
lay 644 "$made/unit" "$units/muster.service"
lay 644 "$here/muster.sysusers" "$prefix/lib/sysusers.d/muster.conf"
lay 644 "$here/muster.tmpfiles" "$prefix/lib/tmpfiles.d/muster.conf"
settings=$etc/muster/muster.toml
if [ -e "$dest$settings" ] && ! cmp -s "$here/muster.toml" "$dest$settings"; then
    settings=$settings.new
    echo "$dest$etc/muster/muster.toml is kept; the new one is $dest$settings" >&2
fi
lay 644 "$here/muster.toml" "$settings"

"$binary" man --write "$made/man" 2>/dev/null
for page in "$made"/man/*; do
    gzip -9n "$page"
    lay 644 "$page.gz" "$prefix/share/man/man${page##*.}/${page##*/}.gz"
done
for pair in bash:bash-completion/completions/muster zsh:zsh/vendor-completions/_muster fish:fish/vendor_completions.d/muster.fish; do
    "$binary" completions "${pair%%:*}" >"$made/completions"
    lay 644 "$made/completions" "$prefix/share/${pair#*:}"
done

lay 644 "$here/port-80.conf" "$prefix/share/doc/muster/examples/port-80.conf"
(cd "$here/../cluster-example" && find . -type f) | while read -r file; do
    lay 644 "$here/../cluster-example/$file" "$prefix/share/doc/muster/examples/cluster/${file#./}"
done
