#!/bin/sh
# Demonstrates muster: a bare git repository and a clone of it with a copy of cluster-example/ in a temporary folder,
# simulated BMCs for all declared machines, and `muster serve` on the bare repository. Prints commands to try and runs until
# Ctrl-C, which removes everything.
#
# `make run` builds muster and runs this. PORT=8271 make run uses another port than 8270.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
case $target in /*) ;; *) target=$root/$target ;; esac
muster=${MUSTER:-$target/debug/muster}
port=${PORT:-8270}
url=http://127.0.0.1:$port

trouble() {
    printf 'demo: %s\n' "$*" >&2
    exit 2
}

command -v git >/dev/null || trouble "git is missing: apt-get install git"
command -v curl >/dev/null || trouble "curl is missing: apt-get install curl"
[ -x "$muster" ] || trouble "$muster is missing: run make run, which builds it"
[ -d "$root/cluster-example" ] || trouble "$root/cluster-example is missing"

case $port in '' | *[!0-9]*) trouble "invalid PORT=$port: expected a number, as in  make run PORT=8271" ;; esac

# curl exits with 7 if the port is free.
answer=0
curl -s -o /dev/null --max-time 2 "$url/" || answer=$?
[ "$answer" = 7 ] || trouble "port $port is in use: choose another, as in  make run PORT=$((port + 1))"

dir=$(mktemp -d "${TMPDIR:-/tmp}/muster-demo.XXXXXX")
server='' fleet=''
# shellcheck disable=SC2317  # the traps reach it
clean_up() {
    trap - EXIT INT TERM HUP
    for process in $server $fleet; do
        kill "$process" 2>/dev/null || :
        wait "$process" 2>/dev/null || :
    done
    rm -rf "$dir"
}
trap clean_up EXIT
trap 'clean_up; printf "\ndemo: stopped and removed %s\n" "$dir"; exit 0' INT TERM HUP

# ---- a cluster repository ------------------------------------------------------------------------------------------

clone=$dir/clone
git init -q --bare -b main "$dir/cluster.git"
git clone -q "$dir/cluster.git" "$clone" 2>/dev/null
git -C "$clone" symbolic-ref HEAD refs/heads/main
git -C "$clone" config user.name "$(git config user.name || echo Demo)"
git -C "$clone" config user.email "$(git config user.email || echo demo@site.example)"
git -C "$clone" config commit.gpgsign false
cp -R "$root/cluster-example/." "$clone/"
"$muster" schema --write "$clone" 2>/dev/null
git -C "$clone" add --all
git -C "$clone" commit -q -m "the example"
git -C "$clone" push -q -u origin main

# ---- the machines --------------------------------------------------------------------------------------------------

# Each BMC has its own loopback address, with TLS; four values differ from the example.
"$muster" simulate "$clone" --tls --models generic=60,idrac=15,ilo=15,openbmc=10 --drift 4 --seed 7 \
    --settings-out "$dir/muster.toml" >"$dir/fleet.log" 2>&1 &
fleet=$!
tries=0
until [ -s "$dir/fleet.log" ]; do
    tries=$((tries + 1))
    if ! kill -0 "$fleet" 2>/dev/null || [ "$tries" -gt 150 ]; then
        cat "$dir/fleet.log" >&2
        trouble "muster simulate is not ready; its output is above"
    fi
    sleep 0.2
done

# ---- the server ----------------------------------------------------------------------------------------------------

# On a terminal the log goes there, as text; otherwise it is kept in case the server does not start.
if [ -t 2 ]; then log=/dev/stderr; else log=$dir/serve.log; fi
"$muster" serve --config "$dir/muster.toml" --repo "$dir/cluster.git" --listen "127.0.0.1:$port" --store "$dir/muster.redb" 2>"$log" &
server=$!
tries=0
until curl -s -f -o /dev/null --max-time 2 "$url/readyz"; do
    tries=$((tries + 1))
    if ! kill -0 "$server" 2>/dev/null || [ "$tries" -gt 150 ]; then
        [ -t 2 ] || cat "$log" >&2
        trouble "muster serve is not ready; its output is above"
    fi
    sleep 0.2
done

# ---- commands to try -----------------------------------------------------------------------------------------------

# The first compute node in the facts: its name and boot MAC address.
node_of() {
    awk -F, '
        /^#/ { next }
        !named { for (i = 1; i <= NF; i++) if ($i == "name") name = i; else if (!mac && $i ~ /^nics\..*\.mac$/) mac = i; named = 1; next }
        name && mac && $mac != "" { print $name, $mac; exit }
    ' "$1"
}
node='' mac=''
for facts in $(find "$clone/nodes" -name '*.facts.csv' | sort); do
    found=$(node_of "$facts")
    [ -n "$found" ] || continue
    node=${found% *} mac=${found#* }
    break
done
[ -n "$node" ] || trouble "no facts file of cluster-example/ has a name and a MAC"
param='"selinux=0",'
grep -q "$param" "$clone/cluster.toml" || trouble "cluster-example/cluster.toml has no $param, which the edit below needs"

cat <<END

muster serves $dir/cluster.git
at $url. In another terminal, request the script of $node:

    curl '$url/boot/v1/bootscript?mac=$mac'

Add a kernel parameter for all nodes, push, and repeat the request:

    export PATH=$(dirname -- "$muster"):\$PATH
    cd $clone
    sed -i 's/$param/& "demo=1",/' cluster.toml
    git diff
    muster check
    git commit -am 'demo=1 for all' && git push
    curl '$url/boot/v1/bootscript?mac=$mac'
    muster show $node --blame | grep ^param

The declared BMCs are simulated: $(cat "$dir/fleet.log").
The server surveys them. Four values differ from git; show them with the lines in git (exit code 1):

    muster drift --store ../muster.redb
    muster drift --store ../muster.redb --format markdown
    muster show --bmc x1000c0s0b0 --store ../muster.redb

Push an error: the last good commit stays in service, and the status shows the reason:

    sed -i 's/^kernel/kernal/' boot/rocky9.toml
    muster check
    git commit -am 'a mistake' && git push
    muster status --store ../muster.redb

Revert it:

    git revert --no-edit HEAD && git push
    muster status --store ../muster.redb

Ctrl-C here stops the server and the BMCs, and removes $dir.
END

code=0
wait "$server" || code=$?
server=
trouble "muster serve ended with exit code $code"
