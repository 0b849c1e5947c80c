#!/usr/bin/env bash
# A million random addresses within a minute, each with its own SSID, on a radio without hardware (needs root).
# Prints the service's memory, its disk usage and the time of look-ups. Fails if a real device is not counted exactly.
#
#     benches/flood.sh
set -euo pipefail
cd "$(dirname "$0")/.."
PROBEWATCH_REQUIRE_ALL=1 cargo bench --quiet --bench load -- flood
