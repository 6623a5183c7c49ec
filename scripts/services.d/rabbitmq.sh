# shellcheck shell=bash
# RabbitMQ, with Erlang's port mapper (epmd) of its own.

rabbitmq_user() { echo rabbitmq; }
rabbitmq_ports() { echo AMQP AMQPS MANAGEMENT PROMETHEUS DIST; }
rabbitmq_leftovers() { :; }
rabbitmq_pid() { processes beam.smp | head -n 1; }
rabbitmq_pids() { rabbitmq_pid; }
epmd_pid() { processes epmd | head -n 1; }

# The server's own scripts: Debian's wrapper in /usr/sbin wants root or the user rabbitmq.
rabbitmq_sbin() {
    local -a found
    mapfile -t found < <(printf '%s\n' /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin | sort -V)
    [[ -x ${found[-1]}/rabbitmq-server ]] && echo "${found[-1]}"
}
rabbitmq_packages() { rabbitmq_sbin >/dev/null || echo rabbitmq-server; }
rabbitmq_version() {
    local sbin
    sbin=$(rabbitmq_sbin) || { echo none; return; }
    sbin=${sbin%/sbin}
    echo "${sbin##*rabbitmq_server-}"
}

# config/rabbitmq is what production takes; the rest is development laid over it. Copies,
# because the user rabbitmq need not be able to read the checkout.
rabbitmq_prepare() {
    local home="$STATE/rabbitmq"
    broker_configure rabbitmq "${PORT[AMQP]}" "${PORT[MANAGEMENT]}" <<CONF
listeners.ssl.default = 127.0.0.1:${PORT[AMQPS]}
ssl_options.cacertfile = $home/tls/ca.pem
ssl_options.certfile = $home/tls/server.pem
ssl_options.keyfile = $home/tls/server-key.pem
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
prometheus.tcp.ip = 127.0.0.1
prometheus.tcp.port = ${PORT[PROMETHEUS]}
load_definitions = $home/etc/definitions.json
CONF
    tls_hand_over rabbitmq
    broker_definitions | write_file rabbitmq 600 etc/definitions.json
    [[ -e $home/.erlang.cookie ]] || broker_cookie | write_file rabbitmq 400 .erlang.cookie
}

# A broker that has been running since before a plugin was wanted.
rabbitmq_enable_plugins() {
    local enabled="$STATE/rabbitmq/etc/enabled_plugins"
    broker_plugins | cmp -s - "$enabled" && return
    broker_plugins | write_file rabbitmq 600 etc/enabled_plugins
    rabbitmq_call "rabbit_plugins ensure [\"$enabled\"]" || die "RabbitMQ does not take its plugins: scripts/services down, then up"
    good rabbitmq "plugins brought up to date"
}

# Those of production, and the shovel, which the runbook empties an old broker by. On 3.x also AMQP 1.0, which RabbitMQ 4
# has built in: for `make examples`, where the shovel takes the headers along.
broker_plugins() {
    local more=,rabbitmq_shovel
    [[ $(rabbitmq_version) != 3.* ]] || more=,rabbitmq_amqp1_0$more
    sed "s/\]\.\$/$more]./" "$ROOT/config/rabbitmq/enabled_plugins"
}

# What every broker here has: also the nodes of a cluster (cluster.sh).
broker_configure() { # service amqp-port management-port, more configuration on stdin
    local config="$ROOT/config/rabbitmq"
    make_home "$1"
    write_file "$1" 600 etc/rabbitmq.conf <"$config/rabbitmq.conf"
    broker_plugins | write_file "$1" 600 etc/enabled_plugins
    {
        cat <<CONF
listeners.tcp.default = 127.0.0.1:$2
management.tcp.ip = 127.0.0.1
management.tcp.port = $3
# A small disk is no reason to block publishers here.
disk_free_limit.absolute = 50MB
log.file.level = warning
CONF
        cat
    } | write_file "$1" 600 etc/conf.d/development.conf
}
broker_definitions() {
    RABBITMQ_ADMIN_PASSWORD=admin RABBITMQ_WORKER_PASSWORD=join-worker \
        RABBITMQ_PRODUCER_PASSWORD=member-gateway RABBITMQ_OPERATOR_PASSWORD=join-operator \
        sh "$ROOT/config/rabbitmq/definitions.sh"
}
broker_cookie() { od -An -N20 -tx1 /dev/urandom | tr -d ' \n'; }

# First epmd, or Erlang would start one itself that nobody stops. It knows no argument that
# would carry the tag, so its name does.
start_epmd() {
    local who
    [[ -z $(epmd_pid) ]] || return 0
    who=$(listener_of "${PORT[EPMD]}")
    if [[ -n $who ]]; then
        port_taken rabbitmq EPMD "$who"
        return 1
    fi
    launch rabbitmq epmd.log "epmd-$TAG" -- /usr/bin/epmd -address 127.0.0.1 -port "${PORT[EPMD]}"
    for _ in {1..100}; do
        (: <"/dev/tcp/127.0.0.1/${PORT[EPMD]}") 2>/dev/null && return 0
        sleep 0.02
    done
    bad rabbitmq "epmd does not answer on port ${PORT[EPMD]}"
    return 1
}

rabbitmq_launch() { broker_launch rabbitmq join-community "${PORT[DIST]}" "$TAG" "${SERVICES_ERLANG:-}"; }

broker_launch() { # service name distribution-port tag Erlang's-arguments
    local home="$STATE/$1" sbin
    sbin=$(rabbitmq_sbin)
    start_epmd
    # RUNNING_UNDER_SYSTEMD makes the script become Erlang instead of waiting beside it.
    launch "$1" log '' \
        RUNNING_UNDER_SYSTEMD=true \
        ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT="${PORT[EPMD]}" \
        RABBITMQ_NODENAME="$2@localhost" \
        RABBITMQ_DIST_PORT="$3" \
        RABBITMQ_CONF_ENV_FILE=/dev/null \
        RABBITMQ_CONFIG_FILE="$home/etc/rabbitmq.conf" \
        RABBITMQ_CONFIG_FILES="$home/etc/conf.d" \
        RABBITMQ_ADVANCED_CONFIG_FILE="$home/etc/advanced.config" \
        RABBITMQ_ENABLED_PLUGINS_FILE="$home/etc/enabled_plugins" \
        RABBITMQ_MNESIA_BASE="$home/data" \
        RABBITMQ_GENERATED_CONFIG_DIR="$home/data/config" \
        RABBITMQ_LOG_BASE="$home" \
        RABBITMQ_LOGS="$home/server.log" \
        RABBITMQ_PID_FILE="$home/data/pid" \
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}${5:+ $5}" \
        RABBITMQ_SERVER_START_ARGS="-join_community $4" \
        -- "$sbin/rabbitmq-server"
}

# Listening to AMQP comes last in its start: users, rights and plugins are there by then.
rabbitmq_ready() {
    broker_listens "${PORT[MANAGEMENT]}" "${PORT[AMQP]}" && broker_listens "${PORT[MANAGEMENT]}" "${PORT[AMQPS]}"
}
broker_listens() { # management-port amqp-port
    curl -sf --noproxy '*' -m 3 -o /dev/null -u admin:admin \
        "http://127.0.0.1:$1/api/health/checks/port-listener/$2"
}

# A call into the running broker: Debian's rabbitmqctl wants root or the user rabbitmq, and takes seconds to start.
rabbitmq_call() { broker_call rabbitmq join-community "$1" >/dev/null; }
broker_call() { # service name 'module function [arguments]', prints what it answers
    as_service "$1" env HOME="$STATE/$1" ERL_EPMD_PORT="${PORT[EPMD]}" \
        timeout 3 erl_call -sname "$2@localhost" -a "$3" 2>/dev/null
}

# The mark is what rabbitmq.conf says, or so low that every memory is above it.
rabbitmq_memory_alarm() { # on|off
    local mark
    mark=$(sed -n 's/^vm_memory_high_watermark.relative *= *//p' "$STATE/rabbitmq/etc/rabbitmq.conf")
    [[ $1 == off ]] || mark=0.0000001
    rabbitmq_call "vm_memory_monitor set_vm_memory_high_watermark [$mark]"
}

# Read whenever a channel is opened: by 3.10 from the first place, by 4.x from the second.
rabbitmq_large_messages() { # on|off
    local size=33554432
    [[ $1 == on ]] || size=$(sed -n 's/^max_message_size *= *//p' "$STATE/rabbitmq/etc/rabbitmq.conf")
    rabbitmq_call "application set_env [rabbit,max_message_size,$size]" &&
        rabbitmq_call "persistent_term put [max_message_size,$size]"
}

# Read whenever a connection is made.
rabbitmq_large_frames() { # on|off
    local size=262144
    [[ $1 == on ]] || size=131072
    rabbitmq_call "application set_env [rabbit,frame_max,$size]"
}

# Read whenever a channel is opened, as is how often it looks: once a minute by default.
rabbitmq_impatience() { # on|off
    local patience=1000 look=200
    if [[ $1 == off ]]; then
        patience=$(sed -n 's/^consumer_timeout *= *//p' "$STATE/rabbitmq/etc/rabbitmq.conf")
        look=60000
    fi
    rabbitmq_call "application set_env [rabbit,consumer_timeout,$patience]" &&
        rabbitmq_call "application set_env [rabbit,channel_tick_interval,$look]"
}

# On SIGTERM the broker closes everything in order and is done in well under a second, but for
# the management plugin's handler: taken off during the stop, it waits five seconds for
# processes that have ended already. Taken off before, it does not. Where that fails the stop
# is slower, not less clean.
rabbitmq_ask_to_stop() { broker_ask_to_stop rabbitmq join-community "$1"; }
broker_ask_to_stop() { # service name pid
    broker_call "$1" "$2" 'gen_event delete_handler [rabbit_event,rabbit_mgmt_db_handler,[]]' >/dev/null || true
    kill -TERM "$3" 2>/dev/null || true
}

rabbitmq_farewell() {
    local pid
    pid=$(epmd_pid)
    [[ -n $pid ]] || return 0
    kill -TERM "$pid" 2>/dev/null || true
    wait_gone 5 "$pid" || kill -KILL "$pid" 2>/dev/null || true
}
