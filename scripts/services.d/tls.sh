# shellcheck shell=bash
# Certificates for the listeners that speak TLS, and for tests of whom they trust: an authority of our own, a server's for
# `localhost` alone, a client's for RabbitMQ, which asks for one; and a stranger, whom nobody here trusts, with a client's.
# They last as long as their folder.

tls_packages() { command -v openssl >/dev/null || echo openssl; }

# Complete or not at all. Tells by its exit code whether there was anything to make.
tls_make() {
    local half="$STATE/tls.new"
    [[ ! -e $STATE/tls/ca.pem ]] || return 1
    rm -rf -- "$half" "$STATE/tls"
    mkdir -m 700 -- "$half"
    (cd "$half" && tls_issue) >"$STATE/tls.log" 2>&1 || {
        tail -n 5 "$STATE/tls.log" >&2
        die "the certificates could not be made, see $LINK/tls.log"
    }
    mv -- "$half" "$STATE/tls"
}
# One after the other, as it is called where bash ignores `set -e`.
tls_issue() {
    tls_configuration >openssl.cnf &&
        tls_authority ca "Join Community development" &&
        tls_authority stranger-ca "somebody else" &&
        tls_certificate server ca server localhost &&
        tls_certificate client ca client join-worker &&
        tls_certificate stranger stranger-ca client join-worker &&
        rm -- openssl.cnf ./*.csr
}
tls_configuration() {
    cat <<'CONF'
[req]
distinguished_name = name
prompt = no
[name]
CN = Join Community development
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
CONF
}
tls_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1-key.pem"; }
tls_authority() { # file name
    tls_key "$1" &&
        openssl req -new -x509 -config openssl.cnf -extensions authority -days 3650 -subj "/CN=$2" -key "$1-key.pem" -out "$1.pem"
}
tls_certificate() { # file authority kind name
    tls_key "$1" &&
        openssl req -new -config openssl.cnf -subj "/CN=$4" -key "$1-key.pem" -out "$1.csr" &&
        openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2-key.pem" -set_serial "0x$(openssl rand -hex 15)" -days 3650 \
            -extfile openssl.cnf -extensions "$3" -out "$1.pem"
}

# Copies for a service, which it alone may read.
tls_hand_over() { # service
    local file
    tls_make || true
    for file in ca server server-key; do write_file "$1" 600 "tls/$file.pem" <"$STATE/tls/$file.pem"; done
}
