#!/usr/bin/env bash
# Measures how long the bot takes to answer each kind of message with 100,000 devices in the state, from the webhook's
# POST to the request with the reply. Prints one table without traffic, and one while 1,000 frames per second arrive.
# Takes about eight minutes.
#
#     benches/latency.sh
set -euo pipefail
cd "$(dirname "$0")/.."
cargo bench --quiet --bench load -- reply-latency
