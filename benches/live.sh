#!/usr/bin/env bash
# The running service on a radio without hardware (needs root), beside tcpdump and tshark that capture the same:
#   burst    20,000 probe requests a second for 30 s, the service alone and all three at once: who loses any
#   latency  from a frame to the request with its alert, at 1,000 frames a second
#   load     CPU and memory of each at 100 and 1,000 frames a second
#   soak     half an hour at 1,000 frames a second, or so many minutes: what grows
# Without an argument all of them, some 38 minutes. Prints tables for benches/README.md and, at the end, each figure
# against the wanted one; fails where one of them does not hold.
#
#     benches/live.sh [burst|latency|load|soak] [MINUTES]
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-all} in
    all) parts=(live::burst live::latency live::load live::soak) ;;
    burst | latency | load | soak) parts=("live::$1") ;;
    *) sed -n 's/^# *benches/benches/p' "$0" >&2; exit 2 ;;
esac
said=$(mktemp)
trap 'rm -f "$said"' EXIT
status=0
PROBEWATCH_REQUIRE_ALL=1 LIVE_SOAK_MINUTES=${2:-30} cargo test --quiet --release --test it -- \
    --ignored --nocapture --test-threads=1 --exact "${parts[@]}" | tee "$said" || status=$?
echo
sed -n 's/^verdict: //p' "$said"
exit "$status"
