# syntax=docker/dockerfile:1
# The images of Quorate: `docker build --target replica .`, coordinator (with the CLI inside) or
# cli. scripts/images builds all three, also without Docker and without a network.

ARG VERSION=0.1.0
ARG REVISION=unknown

FROM docker.io/library/rust:1-bookworm AS build
ARG REVISION
WORKDIR /source
COPY . .
# The caches stay with the builder: a build after a small change compiles that change alone.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/source/target,sharing=locked \
    QUORATE_REVISION=${REVISION} cargo build --profile dist --locked \
      -p quorate-replica -p quorate-cli \
    && cp target/dist/quorate-replica target/dist/quorate /

# glibc, CA certificates and a user, but no shell. The programs are built on the same Debian.
FROM gcr.io/distroless/cc-debian12:nonroot AS cli
ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="quorate" \
      org.opencontainers.image.description="The command line of Quorate, a linearizable key-value register store" \
      org.opencontainers.image.source="https://github.com/quorate/quorate" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.vendor="Quorate" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /quorate /usr/local/bin/quorate
ENV PATH=/usr/local/bin:/usr/bin:/bin
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/quorate"]

FROM gcr.io/distroless/cc-debian12:nonroot AS replica
ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="quorate-replica" \
      org.opencontainers.image.description="The passive role of Quorate: registers on disk" \
      org.opencontainers.image.source="https://github.com/quorate/quorate" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.vendor="Quorate" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /quorate-replica /usr/local/bin/quorate-replica
ENV PATH=/usr/local/bin:/usr/bin:/bin
USER 65532:65532
EXPOSE 7401 7402
ENTRYPOINT ["/usr/local/bin/quorate-replica"]

# The last stage is what a build without --target makes.
FROM gcr.io/distroless/cc-debian12:nonroot AS coordinator
ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="quorate-coordinator" \
      org.opencontainers.image.description="The active role of Quorate: quorum calls, and the command line quorate" \
      org.opencontainers.image.source="https://github.com/quorate/quorate" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.vendor="Quorate" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The command line has the role in it: two programs would have most of their bytes in common.
COPY --from=build /quorate /usr/local/bin/quorate
ENV PATH=/usr/local/bin:/usr/bin:/bin
USER 65532:65532
EXPOSE 7400 7402
ENTRYPOINT ["/usr/local/bin/quorate", "coordinator"]
