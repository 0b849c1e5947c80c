#!/usr/bin/env bash
# Measures the cost of recording, and how it changes as the log and the number of devices grow. Prints, in this order:
#   replay    the replay of a million frames of 20,000 devices into a new data directory, and the rebuild of its state
#   devices   the cost of a replay by the number of devices, and the memory of `run` while it records them and after a
#             restart
#   written   the bytes that the running service writes per event, at 20,000 and at 1,000 frames per second
#   growth    replays of later and later frames of 100,000 devices into one data directory, STEP million at a time
# CPU seconds are user and system time. Events per second are wall-clock: other work on the machine lowers them.
#
#     benches/growth.sh [MILLIONS] [STEP]
#
# MILLIONS (default 20) is the total of the growth. The full measurement, 100, needs about 15 GB of disk meanwhile.
set -euo pipefail
millions=${1:-20}
step=${2:-5}
cd "$(dirname "$0")/.."

cargo build --quiet --release --bin probewatch --example generate_frames --example pace_frames
release=${CARGO_TARGET_DIR:-$PWD/target}/release
folder=$(mktemp -d "${TMPDIR:-/tmp}/probewatch-growth-XXXXXX")
service=
trap '[ -z "$service" ] || kill "$service"; rm -rf "$folder"' EXIT
cd "$folder"
export RUST_LOG=info NO_COLOR=1
TIMEFORMAT='%R %U %S'

over() { awk -v a="$1" -v b="$2" -v digits="${3:-0}" 'BEGIN { printf "%.*f", digits, a / b }'; }

timed() { # COMMAND...: sets $wall and $cpu to wall-clock and CPU seconds
    { time "$@" >out 2>err; } 2>times || { cat err >&2; exit 1; }
    read -r wall user system <times
    cpu=$(awk -v user="$user" -v kernel="$system" 'BEGIN { print user + kernel }')
}

replay() { # FILE DATA_DIR
    timed "$release/probewatch" replay "$1" --data-dir "$2"
}

# The bytes of the sealed segments divided by their events. The open segment's name is the number of those events.
sealed_bytes_per_event() { # DATA_DIR
    local open
    open=$(basename "$1"/events/*.ndjson .ndjson)
    over "$(cat "$1"/events/*.zst | wc -c)" "$((10#$open))" 1
}

start_service() { # DATA_DIR INPUT
    printf 'data_dir = "%s"\n[capture]\nsources = ["-"]\n' "$folder/$1" >config.toml
    "$release/probewatch" run -c config.toml <"$2" 2>log &
    service=$!
}

wait_for_line() { # TEXT
    until grep -q "$1" log; do
        kill -0 "$service" || { cat log >&2; exit 1; }
        sleep 0.2
    done
}

stop_service() {
    kill "$service"
    wait "$service" || { cat log >&2; exit 1; }
    service=
}

mebibytes() { # FIELD: of the service's memory
    awk -v field="$1:" '$1 == field { printf "%.0f", $2 / 1024 }' "/proc/$service/status"
}

written() { # FIELD
    awk -v field="$1:" '$1 == field { print $2 }' "/proc/$service/io"
}

echo "replay of 1,000,000 frames of 20,000 devices"
"$release/examples/generate_frames" frames.pcap 1000000
replay frames.pcap data
echo "  replay   $(over 1000000 "$wall") events per second, $cpu CPU seconds"
timed "$release/probewatch" rebuild --data-dir data
echo "  rebuild  $(over 1000000 "$wall") events per second, $cpu CPU seconds"
rm -r data

echo
echo "devices    frames    CPU µs per event  MiB while recording (peak)   MiB after a restart (peak)"
for devices in 1000 20000 100000 1000000; do
    frames=$((devices < 1000000 ? 2000000 : 5000000))
    "$release/examples/generate_frames" frames.pcap "$frames" "$devices"
    replay frames.pcap data
    start_service live frames.pcap
    wait_for_line 'is at its end'
    recording="$(mebibytes VmRSS) ($(mebibytes VmHWM))"
    stop_service
    start_service live /dev/null
    wait_for_line 'it is empty'
    printf '%-10s %-9s %-17s %-28s %s\n' "$devices" "$frames" "$(over "${cpu}e6" "$frames" 2)" \
        "$recording" "$(mebibytes VmRSS) ($(mebibytes VmHWM))"
    stop_service
    rm -r data live
done

echo
echo "frames per second bytes written per event: by system calls, to the disk"
for rate in 20000 1000; do
    count=$((rate * 60))
    start_service data <("$release/examples/pace_frames" "$rate" "$count")
    wait_for_line 'is at its end'
    sleep 11 # for the last checkpoint
    printf '%-17s %-27s %s\n' "$rate" "$(over "$(written wchar)" "$count")" "$(over "$(written write_bytes)" "$count")"
    stop_service
    rm -r data
done

echo
echo "million events   events per second CPU µs per event  sealed bytes per event  MiB after a restart (peak)"
for ((first = 0; first < millions; first += step)); do
    "$release/examples/generate_frames" frames.pcap "$((step * 1000000))" 100000 "$((first * 1000000))"
    replay frames.pcap data
    start_service data /dev/null
    wait_for_line 'it is empty'
    printf '%-16s %-17s %-17s %-23s %s\n' "$((first + step))" "$(over "${step}e6" "$wall")" \
        "$(over "${cpu}e6" "${step}e6" 2)" "$(sealed_bytes_per_event data)" "$(mebibytes VmRSS) ($(mebibytes VmHWM))"
    stop_service
done
