#!/usr/bin/env bash
# How long the bot takes to answer each kind of message, from the webhook's POST to the request with the reply,
# with 100,000 devices in the state: a table while nothing is heard, and one while 1,000 frames a second arrive.
# Takes some eight minutes.
#
#     benches/latency.sh
set -euo pipefail
cd "$(dirname "$0")/.."
cargo bench --quiet --bench load -- reply-latency
