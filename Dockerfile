# syntax=docker/dockerfile:1
# Build:  docker build -t probewatch .
# Run (a live interface needs the host's network and both capabilities):
#   docker run -d --name probewatch --restart unless-stopped \
#     --network host --cap-drop ALL --cap-add NET_RAW --cap-add NET_ADMIN \
#     -v /etc/probewatch:/etc/probewatch:ro -v probewatch:/var/lib/probewatch probewatch
# Try:    docker run --rm -it --cap-add NET_ADMIN probewatch demo
#
# The binary has file capabilities (setcap below) and starts only if it may have them: NET_ADMIN is always needed, and
# no-new-privileges must not be set.

FROM rust:1-slim-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends libpcap-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /probewatch
COPY . .
RUN cargo build --release --locked --bin probewatch

FROM debian:bookworm-slim
COPY --from=build /probewatch/target/release/probewatch /usr/local/bin/probewatch
# ssh is for sources on other machines, such as an access point's tcpdump (docs/sensors.md).
RUN apt-get update \
    && apt-get install -y --no-install-recommends libpcap0.8 openssh-client libcap2-bin \
    && setcap cap_net_raw,cap_net_admin+eip /usr/local/bin/probewatch \
    && apt-get purge -y --auto-remove libcap2-bin \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 900 --home-dir /var/lib/probewatch --shell /usr/sbin/nologin probewatch \
    && install -d -o probewatch -g probewatch -m 700 /var/lib/probewatch
# A token file that is mounted must be readable by this user: uid 900.
USER probewatch
VOLUME /var/lib/probewatch
# As in systemd/probewatch.service: large blocks of memory are returned at once.
ENV MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=131072 MALLOC_TRIM_THRESHOLD_=131072
# Asks the service itself, on its control socket in the data directory.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["probewatch", "status", "--quiet"]
ENTRYPOINT ["probewatch"]
CMD ["run", "-c", "/etc/probewatch/config.toml"]
