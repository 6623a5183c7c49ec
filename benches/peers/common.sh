# shellcheck shell=bash
# What the peers' install scripts share: where they install to, and how they say that they cannot.
set -euo pipefail

PEER=$(basename "$HERE")
DIR=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/join-community-peers/$PEER}

missing() { # reason
    echo "$PEER: $1" >&2
    exit 3
}

# Runs a step in silence; if it fails, the last line that it wrote is the reason.
step() { # what command…
    local what=$1 log
    shift
    if ! log=$("$@" 2>&1); then
        missing "cannot $what: $(grep -v '^ *$' <<<"$log" | tail -n 1 | cut -c1-300)"
    fi
}

# What is pinned decides: nothing is installed again until it, or the interpreter, changes.
stamp() { # file interpreter-version
    echo "$(sha256sum <"$1") $2"
}
installed() { # stamp
    [[ -e $DIR/.stamp && $(<"$DIR/.stamp") == "$1" ]] && return
    rm -f -- "$DIR/.stamp" # what is begun now may fail
    return 1
}
note_installed() { echo "$1" >"$DIR/.stamp"; } # stamp

step "create $DIR" mkdir -p "$DIR"

# A virtual environment in $DIR with what requirements.txt pins, and the program.
install_python() { # program…
    local python version stamp
    python=$(command -v python3) || missing "python3 is not installed"
    version=$("$python" -c 'import sys; print(sys.version)')
    stamp=$(stamp "$HERE/requirements.txt" "$version")
    if ! installed "$stamp"; then
        step "make a virtual environment" "$python" -m venv --clear "$DIR/venv"
        step "install the Python packages" "$DIR/venv/bin/pip" install --quiet --disable-pip-version-check \
            --only-binary :all: --no-deps -r "$HERE/requirements.txt"
        step "find all that the packages need" "$DIR/venv/bin/pip" check
        note_installed "$stamp"
    fi
    (cd "$HERE" && cp -- "$@" "$DIR/")
}
