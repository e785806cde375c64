#!/bin/sh
# Builds a Debian package of a built binary, with dpkg-deb alone.
#
#   deb.sh BINARY FOLDER         prints the path of the package
#
# The dependency on libc6 is the version that the binary requires. DEB_COMPRESS=gzip is faster than dpkg's default, and larger.
set -eu

binary=$1 out=$2
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$here/../Cargo.toml" | head -n 1)
architecture=$(dpkg --print-architecture)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
chmod 755 "$tree"

case $(sed -n 1p "$here/debian/changelog") in
"muster ($version)"*) ;;
*) echo "packaging/debian/changelog does not begin with muster ($version), the version in Cargo.toml" >&2; exit 2 ;;
esac

umask 022
mkdir -p "$out"
# The unit folder of Debian 12; newer releases map it to /usr.
UNITDIR=/lib/systemd/system sh "$here/stage.sh" "$binary" "$tree"
install -D -m 644 "$here/debian/copyright" "$tree/usr/share/doc/muster/copyright"
gzip -9nc "$here/debian/changelog" >"$tree/usr/share/doc/muster/changelog.gz"
chmod 644 "$tree/usr/share/doc/muster/changelog.gz"
gzip -9nc "$here/../README.md" >"$tree/usr/share/doc/muster/README.md.gz"
chmod 644 "$tree/usr/share/doc/muster/README.md.gz"
(cd "$here/../docs" && find . -name '*.md') | while read -r page; do
    install -D -m 644 "$here/../docs/$page" "$tree/usr/share/doc/muster/docs/${page#./}"
done

glibc=$(objdump -T "$binary" | grep -o 'GLIBC_[0-9.]*' | sed 's/GLIBC_//' | sort -uV | tail -n 1)
mkdir "$tree/DEBIAN"
sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@LIBRARIES@/libc6 (>= $glibc), libgcc-s1/" \
    "$here/debian/control" >"$tree/DEBIAN/control"
echo "Installed-Size: $(du -sk --exclude=DEBIAN "$tree" | cut -f 1)" >>"$tree/DEBIAN/control.size"
sed -i "/^Architecture/r $tree/DEBIAN/control.size" "$tree/DEBIAN/control"
rm "$tree/DEBIAN/control.size"
echo /etc/muster/muster.toml >"$tree/DEBIAN/conffiles"
for script in postinst prerm postrm; do
    install -m 755 "$here/debian/$script" "$tree/DEBIAN/$script"
done
(cd "$tree" && find . -type f ! -path './DEBIAN/*' ! -path './etc/*' -printf '%P\0' | sort -z | xargs -0 md5sum) >"$tree/DEBIAN/md5sums"
chmod 644 "$tree/DEBIAN/md5sums"

package=$out/muster_${version}_$architecture.deb
dpkg-deb --build --root-owner-group ${DEB_COMPRESS:+-Z"$DEB_COMPRESS"} "$tree" "$package" >&2
echo "$package"
