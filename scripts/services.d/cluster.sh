# shellcheck shell=bash
# A RabbitMQ cluster of three, for fault tests: beside the broker that everything else uses, with
# ports next to its ports. It begins empty, and nothing of it stays. Each node is a service like
# any other, called node1, node2 and node3.

NODES=(node1 node2 node3)

for node in 1 2 3; do
    for part in pid prepare launch ready ask_to_stop; do
        eval "node${node}_$part() { node_$part $node \"\$@\"; }"
    done
    eval "node${node}_ports() { echo NODE${node}_AMQP NODE${node}_MANAGEMENT NODE${node}_DIST; }"
    eval "node${node}_pids() { node_pid $node; }"
    eval "node${node}_user() { rabbitmq_user; }"
    eval "node${node}_version() { rabbitmq_version; }"
    eval "node${node}_leftovers() { :; }"
done
unset node part

# Not a part of TAG, by which the broker of this checkout is known.
node_tag() { echo "cluster-node-$1-of-$ID"; }
node_name() { echo "join-community-$1"; }
node_pid() { TAG=$(node_tag "$1") processes beam.smp | head -n 1; }
# It listens before it is a whole member: a vhost made then is never begun on it.
node_ready() {
    broker_listens "${PORT[NODE${1}_MANAGEMENT]}" "${PORT[NODE${1}_AMQP]}" &&
        [[ $(broker_call "node$1" "$(node_name "$1")" 'rabbit is_booted []') == true ]]
}
node_ask_to_stop() { broker_ask_to_stop "node$1" "$(node_name "$1")" "$2"; }

# The first begins alone, with users and rights; the others join it when they start empty.
node_prepare() { # number
    local home="$STATE/node$1"
    broker_configure "node$1" "${PORT[NODE${1}_AMQP]}" "${PORT[NODE${1}_MANAGEMENT]}" < <(
        if (($1 == 1)); then
            echo "load_definitions = $home/etc/definitions.json"
        else
            echo "cluster_formation.peer_discovery_backend = classic_config"
            echo "cluster_formation.classic_config.nodes.1 = $(node_name 1)@localhost"
            echo "cluster_formation.classic_config.nodes.2 = $(node_name "$1")@localhost"
        fi
    )
    echo '[rabbitmq_management,rabbitmq_consistent_hash_exchange].' | write_file "node$1" 600 etc/enabled_plugins
    # What dead-letters into a queue whose leader is lost is sent again after three minutes. Nobody has the time.
    echo '[{rabbit, [{dead_letter_worker_publisher_confirm_timeout, 10000}]}].' |
        write_file "node$1" 600 etc/advanced.config
    (($1 != 1)) || broker_definitions | write_file node1 600 etc/definitions.json
    [[ -e $home/.erlang.cookie ]] ||
        if (($1 == 1)); then broker_cookie; else cat "$STATE/node1/.erlang.cookie"; fi |
        write_file "node$1" 400 .erlang.cookie
}

# One scheduler that does not spin: three nodes and a worker share what may be two cores. A node
# that stands still is given up after some ten seconds, not after sixty.
node_launch() {
    broker_launch "node$1" "$(node_name "$1")" "${PORT[NODE${1}_DIST]}" "$(node_tag "$1")" \
        '+S 1:1 +SDcpu 1:1 +sbwt none +sbwtdcpu none +sbwtdio none -kernel net_ticktime 8'
}

node_ports() {
    local node name
    for node in 1 2 3; do
        for name in AMQP MANAGEMENT DIST; do PORT[NODE${node}_$name]=$((PORT[$name] + node)); done
    done
}

is_of_cluster() { # what `cluster` takes
    case ${1:-} in
    up | down | status | ports) (($# == 1)) ;;
    stop-node | start-node | kill-node | freeze-node | thaw-node) [[ ${2:-} == [123] ]] && (($# == 2)) ;;
    *) return 1 ;;
    esac
}

cluster() { # up|down|status|ports|kill-node|… [number]
    local -a SERVICES=("${NODES[@]}")
    local node
    place_state '' || die "nothing is set up here yet: scripts/services up"
    read_ports remembered
    node_ports
    case $1 in
    up)
        take_lock
        cluster_end
        start node1
        # shellcheck disable=SC2034 # for_all reads it
        SERVICES=(node2 node3)
        for_all start
        ;;
    down)
        take_lock
        cluster_end
        ;;
    status) status ;;
    ports) for node in 1 2 3; do echo "${PORT[NODE${node}_AMQP]} ${PORT[NODE${node}_MANAGEMENT]}"; done ;;
    *-node) one "${1%-node}" "node$2" ;;
    esac
}

# Killed, because nobody wants what they hold: stopped in order, each would wait for the others.
cluster_end() {
    local node
    local -a pids=()
    for node in 1 2 3; do mapfile -t -O "${#pids[@]}" pids < <(node_pid "$node"); done
    if ((${#pids[@]})); then
        kill -KILL "${pids[@]}" 2>/dev/null || true
        wait_gone 5 "${pids[@]}" || true
        good cluster "ended (${#pids[@]} nodes)"
    fi
    [[ ! -d $STATE ]] || for node in "${NODES[@]}"; do rm -rf -- "${STATE:?}/$node"; done
}
