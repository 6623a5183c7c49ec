# shellcheck shell=bash
# Another Debian release in a folder of its own, whose services are run instead of this system's.
#
# The whole script runs inside, in a mount namespace that ends with its last process: nothing of
# it is mounted where others see it, so nothing has to be unmounted and the folder can be
# removed like any other. Processes and network are this system's.

RELEASES=${SERVICES_RELEASES_DIR:-/var/cache/join-community}
RELEASE_ROOT="$RELEASES/$RELEASE"
RELEASE_PACKAGES=(rabbitmq-server postgresql redis-server curl iproute2 openssl)
RELEASE_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
# In MB: what a release takes, and what has to be free before one is installed.
RELEASE_SIZE=900 RELEASE_SPACE=2000

# Exit code 77: this cannot be done here, which is another thing than that it failed.
cannot() {
    printf '%sscripts/services: Debian %s cannot be had here: %s%s\n' "$YELLOW" "$RELEASE" "$*" "$PLAIN" >&2
    exit 77
}

# Goes on inside, with the same arguments; returns only where there is nothing to go into.
release_go() { # arguments…
    [[ $RELEASE =~ ^[a-z]+$ ]] || die "not the code name of a Debian release: $RELEASE"
    [[ ${SERVICES_INSIDE:-} != "$RELEASE" ]] || return 0
    case ${1:-} in
    up | reset)
        ((EUID == 0)) || cannot "only root can install and enter it"
        unshare --mount true 2>/dev/null || cannot "no mounts are permitted here, not even to root"
        release_install
        ;;
    down) [[ -d $RELEASE_ROOT ]] || return 0 ;; # the folder was removed, but its processes may still run
    *) [[ -d $RELEASE_ROOT ]] || die "nothing is set up here yet: scripts/services --release $RELEASE up" ;;
    esac
    ((EUID == 0)) || die "only root can enter $RELEASE_ROOT"
    release_inside "$RELEASE_ROOT" "$ROOT/scripts/services" "$@"
}

release_inside() { # root command…
    local name
    local -a environment=("SERVICES_INSIDE=$RELEASE" "SERVICES_RELEASE=$RELEASE" HOME=/root "TERM=${TERM:-dumb}"
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
    for name in NO_COLOR http_proxy https_proxy "${!SERVICES_@}"; do
        [[ -z ${!name:-} || $name == SERVICES_INSIDE || $name == SERVICES_RELEASE ]] || environment+=("$name=${!name}")
    done
    # The data may lie in the checkout or in /var/tmp, and has the same path inside.
    # shellcheck disable=SC2016 # expanded by the inner shell
    unshare --mount -- bash -c '
        set -eu
        root=$1 checkout=$2
        shift 2
        for folder in /dev /proc /sys /var/tmp "$checkout"; do
            mkdir -p -- "$root$folder"
            mount --rbind -- "$folder" "$root$folder"
        done
        cd /
        exec chroot "$root" env -i "$@"' - "$1" "$ROOT" "${environment[@]}" "${@:2}"
    exit
}

# Complete or not at all: made beside its place and moved there when done. What was downloaded
# is kept until then, so that an interrupted installation does not begin with nothing.
release_install() {
    [[ ! -d $RELEASE_ROOT ]] || return 0
    local mirror free half="$RELEASE_ROOT.half" packages="$RELEASES/packages-$RELEASE"
    release_tools
    mirror=$(release_mirror)
    release_proxy
    curl -sfI -m 20 -o /dev/null "$mirror/dists/$RELEASE/InRelease" ||
        cannot "$mirror has no $RELEASE, or cannot be reached (SERVICES_RELEASE_MIRROR=… takes another)"
    (umask 022 && mkdir -p -- "$RELEASES" "$packages")
    exec 8>"$RELEASES/lock"
    flock -n 8 || { say services "another scripts/services installs here, waiting" && flock 8; }
    [[ ! -d $RELEASE_ROOT ]] || return 0
    free=$(df -Pm -- "$RELEASES" | awk 'NR == 2 { print $4 }')
    ((free >= RELEASE_SPACE)) || cannot "$RELEASES has $free MB free, $RELEASE_SPACE are needed (SERVICES_RELEASES_DIR=… takes another folder)"
    [[ ! -d $half ]] || say services "an installation was interrupted: its folder is made anew"
    rm -rf -- "$half"
    say services "installing Debian $RELEASE into $RELEASE_ROOT, once: about 190 MB from $mirror, then $RELEASE_SIZE MB on disk"
    release_step "its base system" "$half" release_base "$half" "$packages" "$mirror"
    release_step "RabbitMQ, PostgreSQL and Redis" "$half" release_packages "$half" "$packages"
    sync -f "$half" # or a power failure could leave the new name on old contents
    mv -- "$half" "$RELEASE_ROOT"
    rm -rf -- "$packages"
    exec 8>&-
    say services "installed; to be rid of it: rm -rf $RELEASE_ROOT"
}

release_tools() {
    local tool
    local -a missing=()
    for tool in debootstrap curl gpgv; do command -v "$tool" >/dev/null || missing+=("$tool"); done
    [[ -r $RELEASE_KEYRING ]] || missing+=(debian-archive-keyring)
    ((${#missing[@]})) || return 0
    command -v apt-get >/dev/null || cannot "missing: ${missing[*]}"
    say services "installing ${missing[*]}"
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null 2>&1 || {
        apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}"
    } >/dev/null 2>&1 || cannot "apt-get cannot install ${missing[*]}"
}

# The mirror this system takes its own release from, if it is a Debian.
release_mirror() {
    local line='' own=''
    # shellcheck source=/dev/null
    own=$(. /etc/os-release && [[ $ID == debian ]] && echo "$VERSION_CODENAME") || true
    # shellcheck disable=SC2016 # apt's own words
    [[ -z $own ]] || line=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 2>/dev/null |
        grep -m 1 -E "^(https?|file)://[^ ]* $own main$") || true
    line=${SERVICES_RELEASE_MIRROR:-${line%% *}}
    line=${line:-http://deb.debian.org/debian}
    echo "${line%/}"
}

# What apt is told of a proxy is meant for this as well.
release_proxy() {
    local proxy=''
    eval "$(apt-config shell proxy Acquire::http::Proxy 2>/dev/null)"
    [[ -z $proxy || $proxy == DIRECT ]] || export http_proxy=${http_proxy:-$proxy}
}

# Runs a step of the installation, and says how far it has come. Its processes are a group, which
# ends with us; where we are killed, they still hold the lock, and whoever comes next waits for them.
release_step() { # what folder command…
    local what=$1 folder=$2 log="$RELEASES/log" step said=$SECONDS
    shift 2
    say services "$what"
    set -m
    "$@" >"$log" 2>&1 </dev/null &
    step=$!
    set +m
    # shellcheck disable=SC2064 # this step, not the next
    trap "kill -- -$step 2>/dev/null || true" EXIT
    trap 'exit 130' INT TERM
    while kill -0 "$step" 2>/dev/null; do
        if ((SECONDS - said >= 10)); then
            said=$SECONDS
            say services "$what: $(du -sm -- "$folder" 2>/dev/null | cut -f1) of about $RELEASE_SIZE MB"
        fi
        sleep 0.2
    done
    wait "$step" || {
        tail -n 20 "$log" >&2
        die "Debian $RELEASE was not installed, see $log; the next try goes on from what was downloaded"
    }
    trap - EXIT INT TERM
}

# In a mount namespace as well: what debootstrap mounts ends with it, however it ends.
release_base() { # root packages mirror
    unshare --mount -- debootstrap --variant=minbase --keyring="$RELEASE_KEYRING" --force-check-gpg \
        --cache-dir="$2" "$RELEASE" "$1" "$3"
}

release_packages() { # root packages
    printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d" # no service starts by itself
    chmod 755 "$1/usr/sbin/policy-rc.d"
    printf '127.0.0.1 localhost\n' >"$1/etc/hosts"
    # Clocks and proxies are this machine's, and so is what apt is told of them.
    apt-config dump 2>/dev/null | grep -E '^Acquire::(Check-|http|https|Retries)' >"$1/etc/apt/apt.conf.d/90outside" || true
    # shellcheck disable=SC2016 # expanded by the inner shell
    unshare --mount -- bash -c '
        set -eu
        root=$1 packages=$2
        shift 2
        for folder in /dev /proc /sys; do mount --rbind "$folder" "$root$folder"; done
        mount --bind -- "$packages" "$root/var/cache/apt/archives"
        export DEBIAN_FRONTEND=noninteractive LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
        chroot "$root" apt-get -q update
        exec chroot "$root" apt-get -q -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-unsafe-io \
            install -y --no-install-recommends "$@"' - "$1" "$2" "${RELEASE_PACKAGES[@]}"
}
