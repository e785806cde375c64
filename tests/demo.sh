#!/bin/sh
# Shows muster at work: a bare git repository and a clone of it with a copy of cluster-example/ in a temporary folder,
# simulated BMCs for all that it declares, and `muster serve` on the bare one. Says what to try, and goes on until Ctrl-C;
# then everything it made is gone again.
#
# Run by `make run`, which builds muster first. PORT=8271 make run takes another port than 8270.
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
[ -x "$muster" ] || trouble "there is no $muster: run make run, which builds it"
[ -d "$root/cluster-example" ] || trouble "there is no $root/cluster-example"

case $port in '' | *[!0-9]*) trouble "PORT=$port is no port: a number, as in  make run PORT=8271" ;; esac

# curl says 7 where nobody listens; anything else is somebody.
answer=0
curl -s -o /dev/null --max-time 2 "$url/" || answer=$?
[ "$answer" = 7 ] || trouble "port $port is in use: take another, as in  make run PORT=$((port + 1))"

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
trap 'clean_up; printf "\ndemo: stopped, and %s is gone\n" "$dir"; exit 0' INT TERM HUP

# ---- a repository of wishes ----------------------------------------------------------------------------------------

clone=$dir/clone
git init -q --bare -b main "$dir/wishes.git"
git clone -q "$dir/wishes.git" "$clone" 2>/dev/null
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

# Each BMC on a loopback address of its own, over TLS; four things are not as the example says.
"$muster" simulate "$clone" --tls --models generic=60,idrac=15,ilo=15,openbmc=10 --drift 4 --seed 7 \
    --settings-out "$dir/muster.toml" >"$dir/fleet.log" 2>&1 &
fleet=$!
tries=0
until [ -s "$dir/fleet.log" ]; do
    tries=$((tries + 1))
    if ! kill -0 "$fleet" 2>/dev/null || [ "$tries" -gt 150 ]; then
        cat "$dir/fleet.log" >&2
        trouble "muster simulate is not ready; above is what it said"
    fi
    sleep 0.2
done

# ---- the server ----------------------------------------------------------------------------------------------------

# On a terminal its log goes there, as text; else it is kept for the case that the server does not come up.
if [ -t 2 ]; then log=/dev/stderr; else log=$dir/serve.log; fi
"$muster" serve --config "$dir/muster.toml" --repo "$dir/wishes.git" --listen "127.0.0.1:$port" --store "$dir/muster.redb" 2>"$log" &
server=$!
tries=0
until curl -s -f -o /dev/null --max-time 2 "$url/readyz"; do
    tries=$((tries + 1))
    if ! kill -0 "$server" 2>/dev/null || [ "$tries" -gt 150 ]; then
        [ -t 2 ] || cat "$log" >&2
        trouble "muster serve is not ready; above is what it said"
    fi
    sleep 0.2
done

# ---- what to try ---------------------------------------------------------------------------------------------------

# The first compute node of the facts: its name and the MAC it boots by.
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
grep -q "$param" "$clone/cluster.toml" || trouble "cluster-example/cluster.toml has no $param, which the edit below is made at"

cat <<END

muster serves $dir/wishes.git
at $url. In another terminal, ask for the script of $node:

    curl '$url/boot/v1/bootscript?mac=$mac'

Give all nodes one more kernel parameter, push, and ask again:

    export PATH=$(dirname -- "$muster"):\$PATH
    cd $clone
    sed -i 's/$param/& "demo=1",/' cluster.toml
    git diff
    muster check
    git commit -am 'demo=1 for all' && git push
    curl '$url/boot/v1/bootscript?mac=$mac'
    muster show $node --blame | grep ^param

The BMCs that the example declares are simulated: $(cat "$dir/fleet.log").
The server surveys them. Four things are not as git says; see which, and on which line of git (exit code 1):

    muster drift --store ../muster.redb
    muster drift --store ../muster.redb --format markdown
    muster show --bmc x1000c0s0b0 --store ../muster.redb

Push something broken: the last good commit stays, and status says why:

    sed -i 's/^kernel/kernal/' boot/rocky9.toml
    muster check
    git commit -am 'a mistake' && git push
    muster status --store ../muster.redb

Take it back:

    git revert --no-edit HEAD && git push
    muster status --store ../muster.redb

Ctrl-C here stops the server and the machines, and removes $dir.
END

code=0
wait "$server" || code=$?
server=
trouble "muster serve ended by itself with $code"
