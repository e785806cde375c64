#!/busybox sh
# shellcheck shell=dash disable=SC2154
# Called by udhcpc of the test machine with the lease in its environment.
case $1 in
bound | renew)
    /busybox ip addr flush dev "$interface"
    /busybox ip addr add "$ip/${mask:-24}" dev "$interface"
    [ -z "${router:-}" ] || /busybox ip route add default via "${router%% *}" dev "$interface"
    ;;
esac
