# shellcheck shell=bash
# PostgreSQL: the newest installed, or the one its data was made with.

postgres_user() { echo postgres; }
postgres_ports() { echo POSTGRES; }
postgres_ask_to_stop() { kill -INT "$1" 2>/dev/null || true; } # "fast": sessions end, all is written
postgres_farewell() { :; }

postgres_bin() {
    local -a found
    local major
    if major=$(as_service postgres cat "$STATE/postgres/data/PG_VERSION" 2>/dev/null) &&
        [[ -x /usr/lib/postgresql/$major/bin/postgres ]]; then
        echo "/usr/lib/postgresql/$major/bin"
        return
    fi
    mapfile -t found < <(printf '%s\n' /usr/lib/postgresql/*/bin/postgres | sort -V)
    [[ -x ${found[-1]} ]] && dirname "${found[-1]}"
}
postgres_packages() { STATE=/nonexistent postgres_bin >/dev/null || echo postgresql; }
postgres_version() {
    local bin
    bin=$(postgres_bin) || { echo none; return; }
    "$bin/postgres" --version | cut -d' ' -f3
}

# Children carry "postgres: <cluster name>…" as their command line, the postmaster its arguments.
postgres_all() { # main|children
    local pid first
    for pid in $(processes postgres); do
        IFS= read -r -d '' first <"/proc/$pid/cmdline" 2>/dev/null || true
        case $first in
        'postgres: '*) [[ $1 != children ]] || echo "$pid" ;;
        *) [[ $1 != main ]] || echo "$pid" ;;
        esac
    done
}
postgres_pid() { postgres_all main | head -n 1; }
postgres_pids() {
    postgres_all main
    postgres_all children
}
postgres_leftovers() { [[ -n $(postgres_pid) ]] || postgres_all children; }

postgres_prepare() {
    local home="$STATE/postgres" bin
    bin=$(postgres_bin)
    make_home postgres
    as_service postgres test -e "$home/data/PG_VERSION" || postgres_create "$bin"
    tls_hand_over postgres
    # No postmaster of ours runs, nor a child of one. What these files say can only be about
    # one that is gone, and their pid may belong to anyone by now.
    as_service postgres rm -f "$home/data/postmaster.pid" "$home"/.s.PGSQL.*
    write_file postgres 600 settings.conf <<CONF
listen_addresses = '127.0.0.1'
port = ${PORT[POSTGRES]}
unix_socket_directories = '$home'
max_connections = 200
shared_buffers = 256MB
fsync = on
synchronous_commit = on
password_encryption = scram-sha-256
ssl = on
ssl_cert_file = '$home/tls/server.pem'
ssl_key_file = '$home/tls/server-key.pem'
log_line_prefix = '%m [%p] %q%u@%d '
timezone = 'UTC'
$(postgres_statements "$bin")
CONF
}

# What statements cost, which only a restart can add. For `make bench BENCH='--only profile'`, which has those of its own
# database counted: nobody else's are.
postgres_statements() { # bin
    [[ -e ${1%/bin}/lib/pg_stat_statements.so ]] || return 0
    echo "shared_preload_libraries = 'pg_stat_statements'"
    echo 'pg_stat_statements.track = none'
    echo 'pg_stat_statements.save = off'
}

# Complete or not at all: made beside its place and moved there when done.
postgres_create() { # bin
    local home="$STATE/postgres"
    say postgres "creating the database cluster"
    as_service postgres rm -rf "$home/data" "$home/data.new"
    echo postgres | write_file postgres 600 superuser-password
    (
        cd "$home" || exit 1
        # The cluster may be lost with the machine during this second, so it is not synced to
        # disk (-N); from its first start on everything is.
        as_service postgres "$1/initdb" -N -D "$home/data.new" -U postgres --pwfile="$home/superuser-password" \
            --auth=scram-sha-256 --locale=C.UTF-8 -E UTF8 >/dev/null
        as_service postgres "$1/postgres" --single -D "$home/data.new" postgres >/dev/null 2>&1 <<'SQL'
CREATE ROLE join_community LOGIN CREATEDB PASSWORD 'join_community'
CREATE DATABASE join_community OWNER join_community
SQL
    )
    # shellcheck disable=SC2016 # expanded by the inner shell
    as_service postgres bash -c 'echo "include = '\''../settings.conf'\''" >>"$1.new/postgresql.conf"; rm "$2"; mv "$1.new" "$1"' \
        - "$home/data" "$home/superuser-password"
}

postgres_launch() {
    launch postgres log '' -- "$(postgres_bin)/postgres" -D "$STATE/postgres/data" -c "cluster_name=$TAG"
}

postgres_ready() {
    "$(postgres_bin)/pg_isready" -q -t 3 -h 127.0.0.1 -p "${PORT[POSTGRES]}" -d postgres
}
