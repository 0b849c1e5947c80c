#!/usr/bin/env bash
# Runs `probewatch decode`, tshark and tcpdump in turn on the same file of generated probe requests. Prints the CPU
# seconds (user and system) of each, and their ratio to ours. The lowest of all rounds counts, since other work on
# the machine only adds to it.
#
#     benches/versus.sh [FRAMES] [ROUNDS]
set -euo pipefail
frames=${1:-1000000}
rounds=${2:-3}
cd "$(dirname "$0")/.."

cargo build --quiet --release --bin probewatch --example generate_frames
release=${CARGO_TARGET_DIR:-target}/release
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
file=$folder/frames.pcap
"$release/examples/generate_frames" "$file" "$frames"

probewatch() { "$release/probewatch" decode "$file"; }
tshark_fields() {
    tshark -n -o wlan.check_checksum:TRUE -r "$file" -Y 'wlan.fc.type_subtype==4' -T fields \
        -e frame.time_epoch -e wlan.sa -e wlan.ssid -e radiotap.dbm_antsignal \
        -e wlan_radio.frequency -e wlan.seq -e wlan.fcs.status
}
tcpdump_ethernet() { tcpdump -n -e -r "$file" 'type mgt subtype probe-req'; }

TIMEFORMAT='%U %S'
cpu_seconds() { # COMMAND
    { time "$1" >/dev/null 2>"$folder/log"; } 2>&1 | awk '{ printf "%.3f\n", $1 + $2 }'
}

declare -A least
for round in $(seq "$rounds"); do
    for command in probewatch tcpdump_ethernet tshark_fields; do
        seconds=$(cpu_seconds "$command")
        echo "round $round: $command $seconds s"
        least[$command]=$(printf '%s\n' "${least[$command]:-$seconds}" "$seconds" | sort -g | head -n 1)
    done
done

ratio() { awk -v theirs="${least[$1]}" -v ours="${least[probewatch]}" 'BEGIN { printf "%.1f", theirs / ours }'; }
echo
echo "$frames frames, lowest of $rounds rounds, CPU seconds:"
echo "probewatch decode  ${least[probewatch]}"
echo "tcpdump -n -e      ${least[tcpdump_ethernet]}  $(ratio tcpdump_ethernet) times ours (target: 5)"
echo "tshark -T fields   ${least[tshark_fields]}  $(ratio tshark_fields) times ours (target: 60)"
