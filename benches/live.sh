#!/usr/bin/env bash
# Measures the running service on a radio without hardware (needs root), beside tcpdump and tshark:
#   burst          losses at 20,000 probe requests per second for 30 s, of the service alone and of all three at once
#   alert-latency  the time from a frame to the request with its alert, at 1,000 frames per second
#   cost           CPU and memory of each program at 100 and 1,000 frames per second
#   soak           growth during half an hour, or MINUTES, at 1,000 frames per second
# Without an argument it runs all of them, which takes about 38 minutes. Prints tables for benches/README.md and, at
# the end, compares each figure with its target; fails if one is missed.
#
#     benches/live.sh [burst|alert-latency|cost|soak] [MINUTES]
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-all} in
    all) parts=(burst alert-latency cost soak) ;;
    burst | alert-latency | cost | soak) parts=("$1") ;;
    *) sed -n 's/^# *benches/benches/p' "$0" >&2; exit 2 ;;
esac
output=$(mktemp)
trap 'rm -f "$output"' EXIT
status=0
PROBEWATCH_REQUIRE_ALL=1 LIVE_SOAK_MINUTES=${2:-30} cargo bench --quiet --bench load -- \
    "${parts[@]}" | tee "$output" || status=$?
echo
sed -n 's/^verdict: //p' "$output"
exit "$status"
