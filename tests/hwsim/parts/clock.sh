# A machine that starts in 2020, as one without a clock that keeps the time.

# systemd has set it to when it was built itself, so set it back.
date -s 2020-01-01 > /tmp/out
check "the clock is behind" sh -c '[ "$(date +%Y)" = 2020 ]'
out install_package
add_radios
set_up < /dev/null
out systemctl start probewatch
check "it starts" is ActiveState active
check "it records" until_true has_recorded 1
events() { cat /var/lib/private/probewatch/events/*.ndjson | grep '"ssid":"RNM0"'; }
check "what it records is marked" sh -c 'cat /var/lib/private/probewatch/events/*.ndjson > /tmp/out; grep -q "\"time\":\"2020-.*\"not_before\":\"2" /tmp/out'
check "it says that the clock is in doubt" log_says 'clock is in doubt'
check "so does the status" out_says 'clock' probewatch status
check "so does doctor" sh -c '! probewatch doctor > /tmp/out && grep -q "✗ Clock: the service doubts it" /tmp/out'
out date -s "$(sed -n 's/^today=//p' ./today)"
check "with the clock right it records" records_more
check "and says so" log_says 'clock is no longer in doubt'
check "what it records now is not marked" until_true sh -c 'tail -n 1 /var/lib/private/probewatch/events/*.ndjson > /tmp/out; grep -q RNM0 /tmp/out && ! grep -q not_before /tmp/out && ! grep -q "\"time\":\"2020" /tmp/out'
check "and doctor has no more to say of it than that nobody sets it" sh -c 'probewatch doctor > /tmp/out; ! grep -q "✗ Clock: \(it says\|the latest\|the service\)" /tmp/out'
check "the earliest probe is not of 2020" sh -c 'probewatch lookup 02:00:00:00:01:00 > /tmp/out; grep -q "Earliest probe" /tmp/out && ! grep -q "Earliest.*2020-" /tmp/out'
