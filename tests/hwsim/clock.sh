# A clock that jumps, on a machine where it may be set. `init` sources this if the kernel is told `clock`.

# A Bot API that knows its bot, has no news for it, and keeps what is sent in /tmp/sent.
cat > /bin/bot-api <<'END'
#!/bin/busybox sh
cr=$(printf '\r')
read -r _ path _
length=0
while read -r line; do
  line=${line%"$cr"}
  [ -n "$line" ] || break
  case $line in [Cc]ontent-[Ll]ength:*) length=${line#*: } ;; esac
done
body=$(head -c "$length")
result=true
case ${path##*/} in
  [Gg]et[Mm]e) result='{"id":42,"is_bot":true,"first_name":"Probes","username":"probes_bot","can_join_groups":true,"can_read_all_group_messages":false,"supports_inline_queries":false,"has_main_web_app":false,"can_connect_to_business":false}' ;;
  [Gg]et[Uu]pdates) sleep 20; result='[]' ;;
  [Gg]et[Ww]ebhook[Ii]nfo) result='{"url":"","has_custom_certificate":false,"pending_update_count":0}' ;;
  [Ss]end[Mm]essage)
    echo "$body" >> /tmp/sent
    result="{\"message_id\":$(wc -l < /tmp/sent),\"date\":0,\"chat\":{\"id\":7,\"type\":\"private\",\"first_name\":\"A\"},\"text\":\"x\"}" ;;
esac
answer="{\"ok\":true,\"result\":$result}"
printf 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: %s\r\n\r\n%s' ${#answer} "$answer"
END
chmod +x /bin/bot-api
touch /tmp/sent
nc -ll -p 8081 -e /bin/bot-api &
# A time server sets the clock if the file says so.
printf '#!/bin/busybox sh\ncat /tmp/synchronized\n' > /bin/timedatectl
chmod +x /bin/timedatectl
echo no > /tmp/synchronized

cat > /tmp/config.toml <<'END'
data_dir = "/tmp/data"
time_zone = "UTC"
[capture]
sources = [{ interface = "wlan0", name = "street", channels = [1], dwell_milliseconds = 60 }]
[telegram]
token = "42:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc"
api_url = "http://127.0.0.1:8081"
chats = [7]
[alerts]
gather_seconds = 0
cooldown_seconds = 0
END
# A log of five segments, of which the service compresses four.
mkdir -p /tmp/data/events
for segment in 0 1 2 3 4; do
  for line in 0 1 2 3 4 5 6 7 8 9; do
    echo "{\"offset\":$((10 * segment + line)),\"type\":\"probe\",\"time\":\"$(date -u +%Y-%m-%dT%H:%M:%S).000000Z\",\"sensor\":\"street\",\"source\":\"a4:83:e7:4e:39:1$line\",\"ssid\":\"Home\",\"signal_dbm\":-42,\"frequency_mhz\":2437,\"sequence\":$line,\"signature\":\"9f1c06d2ab47e310\"}"
  done > /tmp/data/events/$(printf %020d $((10 * segment))).ndjson
done

chat() { echo "$1" | probewatch chat -c /tmp/config.toml > /tmp/out 2>&1; }
chat_says() { chat "$1" && says "$2"; }
probewatch_() { probewatch "$@" -c /tmp/config.toml; }
start() {
  probewatch run -c /tmp/config.toml >> /tmp/log 2>&1 &
  pid=$!
  until_true sh -c 'probewatch status -c /tmp/config.toml | grep -q "street: capturing"'
}
stop() { kill $pid; wait $pid; }
year() { date -u +%Y; }
right=$(year)
jump() { # seconds
  date -s @$(($(date +%s) + $1)) > /dev/null
}
uptime_seconds() { cut -d. -f1 /proc/uptime; }
alerts() { grep -c RNM0 /tmp/sent; }
device=16
an_alert_comes() { # of a device that was not seen before: says within how many seconds
  device=$((device + 1))
  ip link set wlan1 down
  ip link set wlan1 address 02:00:00:00:02:$(printf %02x $device)
  ip link set wlan1 up
  before=$(alerts) begun=$(uptime_seconds)
  until_true sh -c "iw dev wlan1 scan trigger freq 2412 ssid RNM0 > /dev/null 2>&1; [ \$(grep -c RNM0 /tmp/sent) -gt $before ]" || {
    tail -n 20 /tmp/log > /tmp/out
    return 1
  }
  echo "    (within $(($(uptime_seconds) - begun)) s)"
}
sealed() { ls /tmp/data/events/*.zst 2> /dev/null | wc -l; }
keeps_segments() { # none leaves within five seconds
  sleep 5
  ls -l /tmp/data/events > /tmp/out
  [ "$(ls /tmp/data/events/00000000000000000000.* | wc -l)" = 1 ] && [ "$(sealed)" -ge "$segments" ]
}
status_says() { probewatch_ status > /tmp/out 2>&1; says "$1"; }
in_doubt() { status_says "clock is in doubt since $right-.*it says"; }
last_probe() { cat $(ls /tmp/data/events/*.ndjson | tail -n 1) > /tmp/out; grep '"type":"probe"' /tmp/out | tail -n 1; }
recorded_in() { # year: the last probe counts there
  last_probe | grep -q "\"\(time\|not_before\)\":\"$1-"
}
marked() { last_probe | grep -q not_before; }

ten_years=315360000
a_year=31536000
start
chat '/watch RNM0'
check "the service starts" until_true sh -c '[ $(ls /tmp/data/events/*.zst | wc -l) -ge 4 ]'
segments=$(sealed)
check "an alert comes" an_alert_comes

jump $ten_years
check "ten years ahead, the clock is in doubt" until_true in_doubt
check "and doctor says so" sh -c '! probewatch doctor -c /tmp/config.toml > /tmp/out && grep -q "✗ Clock: the service doubts it" /tmp/out'
check "an alert comes in $(year)" an_alert_comes
check "it is recorded in $right" recorded_in $right
check "and marked" marked
check "no segment is deleted" keeps_segments
stop
start
check "restarted in $(year), the clock is in doubt" until_true in_doubt
check "an alert comes then" an_alert_comes
check "also recorded in $right" recorded_in $right
check "and still no segment is deleted" keeps_segments

jump -$ten_years
check "back in $(year), the clock is not in doubt" until_true not in_doubt
check "an alert comes after the way back" an_alert_comes
check "it is not marked" not marked

jump $ten_years
check "ahead again, it is in doubt again" until_true in_doubt
stop
jump -$ten_years
start
check "set right while nothing ran, it is not in doubt" not in_doubt
check "an alert comes after that restart" an_alert_comes
check "recorded in $right too" recorded_in $right

jump -$a_year
check "a year back, before the build, the clock is in doubt" until_true in_doubt
check "an alert comes in $(year)" an_alert_comes
check "it is marked with $right" marked
stop
start
check "restarted in $(year), it is in doubt" until_true in_doubt
check "an alert comes after that restart too" an_alert_comes
stop
jump $a_year
start
check "set right while nothing ran, it is right" not in_doubt
check "an alert comes in $(year) again" an_alert_comes
stop
jump -$a_year
start
check "set a year back while nothing ran, it is in doubt" until_true in_doubt
check "an alert comes nevertheless" an_alert_comes
jump $a_year
check "set right, it is right" until_true not in_doubt
check "an alert comes with the right clock" an_alert_comes

# A time server confirms ten years ahead, as if the machine had slept that long.
jump $ten_years
echo yes > /tmp/synchronized
check "confirmed by a time server, it is not in doubt" until_true not in_doubt
check "an alert comes in $(year) of the time server" an_alert_comes
check "it is recorded in $(year)" recorded_in "$(year)"
check "what is old is announced first" until_true status_says 'older than retention.log_days'
check "and not deleted yet" keeps_segments
check "a person can stop it" chat_says '/history keep' 'Nothing is deleted because of its age'
check "then it is announced no more" until_true not status_says 'older than retention.log_days'
chat '/mute 1h'
jump -$ten_years
# Nothing may hang on the time of ten years ahead.
until_true sh -c 'probewatch status -c /tmp/config.toml | grep -q "clock is in doubt" && exit 1; tail -n 40 /tmp/log | grep -q "clock_believed.*now='$right'-"'
check "confirmed on the way back, the time is right" chat_says /clock "It is $right-"
chat /unmute
check "an alert comes after that way back" an_alert_comes
check "recorded in $right, not in a future" recorded_in $right
stop
check "the log and the state agree" sh -c 'probewatch check -c /tmp/config.toml > /tmp/out 2>&1'
