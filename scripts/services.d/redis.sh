# shellcheck shell=bash
# Redis: a cache, so nothing is kept on disk.

redis_user() { echo redis; }
redis_ports() { echo REDIS REDISS; }
redis_ask_to_stop() { kill -TERM "$1" 2>/dev/null || true; }
redis_leftovers() { :; }
redis_farewell() { :; }
redis_pid() { processes redis-server | head -n 1; }
redis_pids() { redis_pid; }
redis_packages() { command -v redis-server redis-cli >/dev/null || echo redis-server; }
redis_version() {
    local text
    text=$(redis-server --version 2>/dev/null) || { echo none; return; }
    text=${text#*v=}
    echo "${text%% *}"
}

redis_prepare() {
    make_home redis
    tls_hand_over redis
    write_file redis 600 redis.conf <<CONF
bind 127.0.0.1
protected-mode yes
port ${PORT[REDIS]}
tls-port ${PORT[REDISS]}
tls-ca-cert-file $STATE/redis/tls/ca.pem
tls-cert-file $STATE/redis/tls/server.pem
tls-key-file $STATE/redis/tls/server-key.pem
tls-auth-clients no
requirepass join-community
appendonly no
save ""
daemonize no
# The tag on its command line says whose it is.
proc-title-template "{title} {listen-addr} $TAG"
CONF
}

redis_launch() {
    launch redis log '' -- redis-server "$STATE/redis/redis.conf"
}

redis_ready() {
    [[ $(REDISCLI_AUTH=join-community redis-cli -h 127.0.0.1 -p "${PORT[REDIS]}" ping 2>/dev/null) == PONG ]]
}
