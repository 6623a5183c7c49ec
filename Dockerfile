# The worker, built with the pinned toolchain, run by an unprivileged user on Debian slim.
#
#   docker build -t join-community .
#   docker run --rm join-community --help

FROM rust:1.95.0-bookworm AS build
# The image's own toolchain: rust-toolchain.toml would have rustup fetch it again, with the
# components that only development needs.
ENV RUSTUP_TOOLCHAIN=1.95.0 CARGO_TERM_COLOR=never SQLX_OFFLINE=true
WORKDIR /build
COPY . .
# Registry and target folder survive from build to build; only the binary leaves them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --locked --release --bin join-community \
    && install -D -m 755 target/release/join-community /out/join-community

FROM debian:12.14-slim
# Certificate authorities: key sets, brokers and databases are reached by TLS.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin join-community
COPY --from=build /out/join-community /usr/local/bin/join-community
USER 10001:10001
# The operations server must be reachable from outside the container; publish it to where
# operators are, never to the world.
ENV JOIN_COMMUNITY__HTTP__LISTEN=0.0.0.0:8080
EXPOSE 8080
STOPSIGNAL SIGTERM
# Ready: all dependencies answer. Bash speaks HTTP itself, so no client is installed.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /readyz HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3 && read -r -t 4 line <&3 && [[ $line == *' 200 '* ]]"]
ENTRYPOINT ["/usr/local/bin/join-community"]
CMD ["run"]
