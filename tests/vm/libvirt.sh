#!/bin/sh
# A host of virtual machines with a Redfish service, as a lab has it: a bridge with DHCP, libvirt with one domain that boots
# from the network, sushy-emulator before it, and a web server of images.
#
# Runs as root in a network namespace and in namespaces of mounts and processes of its own (tests/boot/libvirt.rs makes
# them), so that neither a bridge, a file of libvirt's nor a machine outlives it.
#
#   libvirt.sh FOLDER EMULATOR LIBVIRT-FOR-PYTHON
#
# FOLDER holds images/ and emulator.conf. What the machine says is in FOLDER/serial; FOLDER/ready stands when all is up.
set -eu

dir=$1 emulator=$2 bindings=$3
python=$(dirname "$emulator")/python
PATH=$PATH:/usr/sbin:/sbin
export PATH

mount --make-rprivate /

# ---- the network ---------------------------------------------------------------------------------------------------

# Without a router advertisement iPXE waits 16 s for one.
ip link add br0 type bridge forward_delay 0
ip addr add 172.31.77.1/24 dev br0
ip addr add fd77:77::1/64 dev br0 nodad
ip link set br0 up
cat >"$dir/dnsmasq.conf" <<END
port=0
interface=br0
bind-interfaces
no-daemon
leasefile-ro
user=root
no-ping
dhcp-authoritative
dhcp-range=172.31.77.100,172.31.77.200,1h
dhcp-boot=http://172.31.77.1:8270/boot.ipxe
enable-ra
dhcp-range=fd77:77::,ra-only
END
dnsmasq -C "$dir/dnsmasq.conf" >"$dir/dnsmasq.log" 2>&1 &
"$python" -m http.server --bind 172.31.77.1 --directory "$dir/images" 8080 >"$dir/images.log" 2>&1 &

# ---- libvirt -------------------------------------------------------------------------------------------------------

for place in /etc/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt /run/libvirt; do
    mkdir -p "$dir/host$place" "$place"
    mount --bind "$dir/host$place" "$place"
done
# It wants its own users to be there, and then runs machines as root.
for file in passwd group; do
    cp "/etc/$file" "$dir/$file"
    mount --bind "$dir/$file" "/etc/$file"
done
grep -q '^libvirt-qemu:' "$dir/passwd" || echo "libvirt-qemu:x:64055:64055::/nonexistent:/usr/sbin/nologin" >>"$dir/passwd"
for group in libvirt-qemu:64055 libvirt:64056 kvm:64057; do
    grep -q "^${group%:*}:" "$dir/group" || echo "${group%:*}:x:${group#*:}:" >>"$dir/group"
done
cat >/etc/libvirt/qemu.conf <<END
user = "root"
group = "root"
security_driver = "none"
stdio_handler = "file"
namespaces = []
cgroup_controllers = []
END
cat >/etc/libvirt/libvirtd.conf <<END
auth_unix_ro = "none"
auth_unix_rw = "none"
END
libvirtd --config /etc/libvirt/libvirtd.conf >"$dir/libvirtd.log" 2>&1 &
for _ in $(seq 300); do
    [ ! -S /run/libvirt/libvirt-sock ] || break
    sleep 0.1
done

cat >"$dir/domain.xml" <<END
<domain type='qemu'>
  <name>vm1</name>
  <uuid>22222222-2222-4333-8444-000000000001</uuid>
  <memory unit='MiB'>384</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type><boot dev='network'/></os>
  <features><acpi/></features>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>destroy</on_reboot>
  <devices>
    <interface type='bridge'>
      <source bridge='br0'/><mac address='52:54:00:ee:00:01'/><model type='virtio'/>
    </interface>
    <serial type='file'><source path='$dir/serial'/></serial>
  </devices>
</domain>
END
# Its first look at QEMU may take long; this waits for it.
PYTHONPATH=$bindings "$python" - "$dir/domain.xml" <<END
import libvirt, sys
libvirt.open("qemu:///system").defineXML(open(sys.argv[1]).read())
END

# ---- Redfish -------------------------------------------------------------------------------------------------------

PYTHONPATH=$bindings "$emulator" --config "$dir/emulator.conf" >"$dir/emulator.log" 2>&1 &
touch "$dir/ready"
wait
