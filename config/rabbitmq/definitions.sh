#!/bin/sh
# Prints RabbitMQ definitions (JSON): the vhost, the administrator and the three
# users of Join Community with the rights of permissions.json beside this file.
# Exchanges and queues are not in it: `join-community topology declare` makes them.
#
# Used by scripts/services and docker-compose.yml. For production, where the worker declares nothing and there is no
# administrator among them: deploy/rabbitmq/definitions.py.
#
# Only salted hashes of the passwords are printed. Needs no more than a POSIX shell,
# sed, od, sha256sum and base64, so that it runs inside the RabbitMQ image as well.
set -eu

permissions="$(dirname "$0")/permissions.json"
vhost=${RABBITMQ_VHOST:-/}

# "0aff" on stdin -> the two bytes 0x0a 0xff on stdout
hex_to_bytes() {
    hex=$(cat)
    escapes=
    while [ -n "$hex" ]; do
        rest=${hex#??}
        byte=$((0x${hex%"$rest"}))
        escapes="$escapes\\$((byte / 64))$((byte / 8 % 8))$((byte % 8))"
        hex=$rest
    done
    # shellcheck disable=SC2059 # the escapes are the format
    printf "$escapes"
}

# RabbitMQ's own scheme: base64(salt, sha256(salt, password)), salt of four bytes
password_hash() {
    salt=$(od -An -N4 -tx1 /dev/urandom | tr -d ' \n')
    digest=$({ printf %s "$salt" | hex_to_bytes; printf %s "$1"; } | sha256sum)
    printf %s "$salt${digest%% *}" | hex_to_bytes | base64 | tr -d '\n'
}

user() { # name password tags
    printf '{"name":"%s","password_hash":"%s","hashing_algorithm":"rabbit_password_hashing_sha256","tags":"%s","limits":{}}' \
        "$1" "$(password_hash "$2")" "$3"
}

# permissions.json keeps each role on one line; its regular expressions are copied as
# they stand, so that nothing here has to understand JSON escapes.
rights() { # user role
    regexes=$(sed -n 's/^ *"'"$2"'": *{ *\(.*[^ ]\) *},\{0,1\} *$/\1/p' "$permissions")
    [ -n "$regexes" ] || { echo "definitions.sh: no role \"$2\" on a line of its own in $permissions" >&2; exit 1; }
    printf '{"user":"%s","vhost":"%s",%s}' "$1" "$vhost" "$regexes"
}

admin=$(user admin "${RABBITMQ_ADMIN_PASSWORD:?}" administrator)
worker=$(user join-worker "${RABBITMQ_WORKER_PASSWORD:?}" '')
producer=$(user member-gateway "${RABBITMQ_PRODUCER_PASSWORD:?}" '')
operator=$(user join-operator "${RABBITMQ_OPERATOR_PASSWORD:?}" monitoring)
worker_rights=$(rights join-worker worker)
producer_rights=$(rights member-gateway producer)
operator_rights=$(rights join-operator operator)

cat <<JSON
{
  "vhosts": [{"name":"$vhost"}],
  "users": [
    $admin,
    $worker,
    $producer,
    $operator
  ],
  "permissions": [
    {"user":"admin","vhost":"$vhost","configure":".*","write":".*","read":".*"},
    $worker_rights,
    $producer_rights,
    $operator_rights
  ]
}
JSON
