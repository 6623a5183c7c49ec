# shellcheck shell=bash
# Debian packages: installs what is missing, and only that.

install_missing() {
    local service
    local -a missing=() sudo=()
    for service in "${SERVICES[@]}"; do
        # shellcheck disable=SC2207 # package names have no spaces
        missing+=($("${service}_packages"))
    done
    command -v curl >/dev/null || missing+=(curl)
    # Commands of the runbook read with it what RabbitMQ says.
    command -v jq >/dev/null || missing+=(jq)
    # shellcheck disable=SC2207 # package names have no spaces
    missing+=($(tls_packages))
    ((${#missing[@]})) || return 0
    # Only a test of the runbook needs it: nothing else waits for it.
    if [[ ${missing[*]} == jq ]] && { ((EUID != 0)) && ! sudo -n true 2>/dev/null || ! command -v apt-get >/dev/null; }; then
        say services "jq is not to be had: the runbook cannot be tried whole"
        return 0
    fi

    local line="apt-get install -y --no-install-recommends ${missing[*]}"
    command -v apt-get >/dev/null || die "missing: ${missing[*]} (this is no Debian: install them by hand)"
    if ((EUID != 0)); then
        sudo -n true 2>/dev/null || die "some packages are missing; as root: $line"
        sudo=(sudo -n)
    fi
    say services "installing ${missing[*]}"
    # The packages would start services of their own; a policy-rc.d forbids it while they
    # are installed, and where systemd is at work they are not started at boot either.
    local log
    log=$(mktemp)
    if ! "${sudo[@]}" bash -s -- "${missing[@]}" >"$log" 2>&1 <<'SCRIPT'; then
        set -euo pipefail
        export DEBIAN_FRONTEND=noninteractive
        policy=/usr/sbin/policy-rc.d
        if [[ ! -e $policy ]]; then
            trap 'rm -f "$policy"' EXIT
            printf '#!/bin/sh\nexit 101\n' >"$policy"
            chmod 755 "$policy"
        fi
        get() { apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"; }
        get install -y --no-install-recommends "$@" ||
            { get update && get install -y --no-install-recommends "$@"; }
        if command -v systemctl >/dev/null; then
            for package in "$@"; do
                case $package in
                rabbitmq-server) units=(rabbitmq-server.service epmd.service epmd.socket) ;;
                postgresql) units=(postgresql.service) ;;
                redis-server) units=(redis-server.service) ;;
                *) continue ;;
                esac
                for unit in "${units[@]}"; do
                    systemctl disable --quiet "$unit" 2>/dev/null || true
                    [[ ! -d /run/systemd/system ]] || systemctl stop "$unit" 2>/dev/null || true
                done
            done
        fi
SCRIPT
        tail -n 20 "$log" >&2
        rm -f "$log"
        die "apt-get failed; by hand, as root: apt-get update && $line"
    fi
    rm -f "$log"
    say services "installed; their system services are off"
}
