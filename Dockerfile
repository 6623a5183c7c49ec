# The worker alone: built with the pinned toolchain, run without a shell, a package manager or root.
#
#   docker build -t join-community .
#   docker run --rm --read-only join-community --help
#
# The same commit gives the same image where base images are named by digest and times come from the commit
# (docs/deployment.md).
ARG BUILD_IMAGE=rust:1.95.0-bookworm
# glibc of the same Debian as above, libgcc, certificate authorities; its user has number 65532.
ARG BASE_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILD_IMAGE} AS build
# The image's own toolchain: rust-toolchain.toml would have rustup fetch it again, with the
# components that only development needs.
ENV RUSTUP_TOOLCHAIN=1.95.0 CARGO_TERM_COLOR=never CARGO_INCREMENTAL=0
WORKDIR /build
COPY . .
# Which commit it is, for `--version` and metrics: .git does not go to the builder.
ARG JOIN_COMMUNITY_COMMIT=unknown
# Registry and target folder survive from build to build; only the binary leaves them. What is ours is built anew each time:
# cargo goes by the times of files, and those of an older commit are older than what another one left there.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo clean --locked --release --package join-community \
    && cargo build --locked --release --bin join-community \
    && install -D -m 755 target/release/join-community /out/join-community

FROM ${BASE_IMAGE}
COPY --from=build /out/join-community /usr/local/bin/join-community
# By number, so that Kubernetes can tell that it is not root.
USER 65532:65532
# The operations server must be reachable from outside the container; publish it to where
# operators are, never to the world.
ENV JOIN_COMMUNITY__HTTP__LISTEN=0.0.0.0:8080
EXPOSE 8080
STOPSIGNAL SIGTERM
# Ready: it takes requests, as /readyz says.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["/usr/local/bin/join-community", "ready"]
ENTRYPOINT ["/usr/local/bin/join-community"]
CMD ["run"]
