#!/usr/bin/env bash
# A million random addresses in a minute, each with an SSID of its own, on a radio without hardware (needs root):
# prints what the service takes in memory and disk, how long look-ups wait meanwhile, and fails where a real
# device is not counted exactly.
#
#     benches/flood.sh
set -euo pipefail
cd "$(dirname "$0")/.."
PROBEWATCH_REQUIRE_ALL=1 cargo bench --quiet --bench load -- flood
