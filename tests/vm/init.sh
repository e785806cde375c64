#!/busybox sh
# shellcheck shell=dash
# The init of the test machine: says what its kernel was told, fetches its cloud-init files, powers off.
# tests/vm/mod.rs reads what stands between the marks.
B=/busybox
$B mount -t proc proc /proc
$B mount -t devtmpfs dev /dev
# Whatever console= says, the test reads the serial line.
exec </dev/null >/dev/ttyS0 2>&1
$B dmesg -n 1

mark_begin() { echo; echo "=== begin $1 ==="; }
mark_end() { echo; echo "=== end $1 ==="; }

mark_begin cmdline
$B cat /proc/cmdline
mark_end cmdline

# The files that an initial RAM disk of a test brings, to be told from another's.
mark_begin images
[ ! -d /images ] || $B ls /images
mark_end images

# In any order: one that needs another gets its turn in the next round.
for _ in 1 2 3 4 5; do
    for module in /modules/*.ko; do $B insmod "$module" 2>/dev/null; done
done
$B ip link set eth0 up
$B udhcpc -n -q -f -i eth0 -t 10 -T 1 -s /udhcpc.sh || echo "no DHCP answer"

seed=
for word in $($B cat /proc/cmdline); do
    case $word in "ds=nocloud-net;s="*) seed=${word#*;s=} ;; esac
done
if [ -n "$seed" ]; then
    for file in meta-data user-data vendor-data network-config; do
        mark_begin "$file"
        # No -T: it makes this busybox crash.
        $B wget -q -O - "${seed%/}/$file" || echo "(no $file)"
        mark_end "$file"
    done
fi

# As cloud-init does where it knows no name, and when it is done.
case " $($B cat /proc/cmdline) " in
*" site.tells=all "*)
    mark_begin by-address
    $B wget -q -O - "${seed%/node/*}/meta-data" || echo "(no meta-data)"
    mark_end by-address
    mark_begin phone-home
    $B wget -q -O - --post-data "instance_id=busybox&hostname=busybox" "${seed%/}/phone-home" && echo told
    mark_end phone-home
    ;;
esac
$B sync
$B poweroff -f
