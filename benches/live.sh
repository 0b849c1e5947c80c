#!/usr/bin/env bash
# The running service on a radio without hardware (needs root), beside tcpdump and tshark that capture the same:
#   burst          20,000 probe requests a second for 30 s, the service alone and all three at once: who loses any
#   alert-latency  from a frame to the request with its alert, at 1,000 frames a second
#   cost           CPU and memory of each at 100 and 1,000 frames a second
#   soak           half an hour at 1,000 frames a second, or so many minutes: what grows
# Without an argument all of them, some 38 minutes. Prints tables for benches/README.md and, at the end, each figure
# against the wanted one; fails where one of them does not hold.
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
