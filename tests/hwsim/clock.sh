# A clock that jumps, on a machine where it may be set. `init` sources this if the kernel is told
# `set_clock=PART`; the parts are at the end.

# A Bot API that knows its bot, passes on the update in /tmp/update, whose number /tmp/told
# has, and keeps what is sent in /tmp/sent.
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
  [Gg]et[Uu]pdates)
    offset=$(echo "$body" | sed -n 's/.*"offset":\([0-9]*\).*/\1/p')
    result='[]' waited=0
    while [ "$result" = '[]' ] && [ $waited -lt 10 ]; do
      sleep 1
      waited=$((waited + 1))
      [ "$(cat /tmp/told)" -lt "${offset:-1}" ] || result="[$(cat /tmp/update)]"
    done ;;
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
echo -1 > /tmp/told
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
cooldown_seconds = 86400
[monitoring]
listen = "127.0.0.1:9464"
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
events_of() { cat /tmp/data/events/*.ndjson | grep -c "\"type\":\"$1\""; } # type
is_event() { [ "$(events_of $1)" -gt $2 ]; } # type, after how many
update=0
tell() { # words, type of the event: in the chat, until it is recorded
  update=$((update + 1))
  before=$(events_of $2)
  chat='"chat":{"id":7,"type":"private","first_name":"A"},"from":{"id":7,"is_bot":false,"first_name":"A"}'
  echo "{\"update_id\":$update,\"message\":{\"message_id\":$update,\"date\":$(date +%s),$chat,\"text\":\"$1\"}}" > /tmp/update
  echo $update > /tmp/told
  until_true is_event $2 $before || { tail -n 20 /tmp/log > /tmp/out; return 1; }
}
status_says() { probewatch status -c /tmp/config.toml > /tmp/out 2>&1; says "$1"; }
# Far cheaper than a subcommand here.
health_says() { wget -q -O /tmp/out http://127.0.0.1:9464/healthz && says "$1"; }
log_says() { cp /tmp/log /tmp/out && says "$1"; }
start() {
  probewatch run -c /tmp/config.toml > /tmp/log 2>&1 &
  pid=$!
  until_true health_says 'recording and capturing' 2> /dev/null
}
stop() { kill $pid; wait $pid; }

year() { date -u +%Y; }
right=$(year)
ten_years=315360000
a_year=31536000
jump() { date -s @$(($(date +%s) + $1)) > /dev/null; } # seconds
in_doubt() { health_says "clock is in doubt since $right-.*it says $(year)-"; }
trusted() { health_says 'recording and capturing' && not says 'in doubt'; }

# Addresses that are not random: each is a device.
device=16
address() { echo 00:23:a7:00:00:$(printf %02x $device); }
first=$(address)
probes_of() { cat /tmp/data/events/*.ndjson | grep "\"type\":\"probe\".*\"source\":\"$1\""; }
is_recorded() { # address, after how many probes; asks for the watched network meanwhile
  iw dev wlan1 scan trigger freq 2412 ssid RNM0 > /dev/null 2>&1
  [ "$(probes_of $1 | wc -l)" -gt $2 ]
}
asks() { # address: until its probe is in the log
  ip link set wlan1 down
  ip link set wlan1 address $1
  ip link set wlan1 up
  before=$(probes_of $1 | wc -l)
  until_true is_recorded $1 $before
  probes_of $1 | tail -n 1 > /tmp/out
}
is_sent() { grep -qi "$1" /tmp/sent; }
another_asks() { # a device that was not seen before
  device=$((device + 1))
  asks $(address)
}
an_alert_comes() { # says within how many seconds
  begun=$(uptime_seconds)
  another_asks && until_true is_sent $(address) || {
    tail -n 20 /tmp/log >> /tmp/out
    return 1
  }
  echo "    (within $(($(uptime_seconds) - begun)) s)"
}
decides() { says "\"decision\":\"$1\""; }
recorded_in() { says "\"\(time\|not_before\)\":\"$1-"; }
marked() { says not_before; }
cool_down_lasts() { asks $first && decides swallow; }
mute_lasts() { another_asks && decides mute; }
has_not_left() { # the recorder searches for devices that have left every five seconds
  sleep 11
  not grep -h '"type":"left"' /tmp/data/events/*.ndjson > /tmp/out
}
sealed() { ls /tmp/data/events/*.zst 2> /dev/null | wc -l; }
keeps_segments() {
  ls -l /tmp/data/events > /tmp/out
  [ "$(ls /tmp/data/events/00000000000000000000.* | wc -l)" = 1 ] && [ "$(sealed)" -ge 4 ]
}
holds_on() { # what must hold whatever year the clock says
  check "an alert comes in $(year)" an_alert_comes
  check "it is recorded in $right" recorded_in $right
  check "the cool-down lasts" cool_down_lasts
  check "the followed device has not left" has_not_left
  check "no segment is deleted" keeps_segments
}

start
check "the service starts" trusted
check "the log has old segments" until_true keeps_segments
chat '/watch RNM0'
chat "/follow $first 60"
asks $first
check "the followed device alerts" until_true is_sent $first
check "an alert comes" an_alert_comes

set_wrong() { # seconds, what that is
  check "the chat is muted" tell '/mute 1h' mute
  jump $1
  check "$2, the clock is in doubt" until_true in_doubt
}
holds_while_muted() {
  check "the mute lasts" mute_lasts
  check "what is recorded is marked" marked
  check "it is unmuted" tell /unmute unmute
  holds_on
}
holds_when_restarted() {
  stop
  start
  check "restarted in $(year), the clock is in doubt" until_true in_doubt
  holds_on
}
set_right_while_stopped() { # seconds
  stop
  jump $1
  start
  check "set right while nothing ran, it is right" trusted
  holds_on
}

ahead() {
  set_wrong $ten_years "ten years ahead"
  check "status says so" status_says "clock is in doubt since $right-"
  check "and doctor" sh -c '! probewatch doctor -c /tmp/config.toml > /tmp/out && grep -q "✗ Clock: the service doubts it" /tmp/out'
  holds_while_muted
  holds_when_restarted
  jump -$ten_years
  check "back in $(year), the clock is right" until_true trusted
  holds_on
  check "what is recorded is not marked" not marked
  jump $ten_years
  check "ahead again, it is in doubt again" until_true in_doubt
  set_right_while_stopped -$ten_years
}

back() {
  set_wrong -$a_year "a year back, before the build"
  holds_while_muted
  holds_when_restarted
  set_right_while_stopped $a_year
  stop
  jump -$a_year
  start
  check "set a year back while nothing ran, it is in doubt" until_true in_doubt
  holds_on
  jump $a_year
  check "set right, it is right" until_true trusted
  holds_on
}

# A time server confirms ten years ahead, as if the machine had slept that long.
server() {
  jump $ten_years
  check "ten years ahead, the clock is in doubt" until_true in_doubt
  echo yes > /tmp/synchronized
  check "confirmed by a time server, it is right" until_true trusted
  check "an alert comes in $(year) of the time server" an_alert_comes
  check "it is recorded in $(year)" recorded_in "$(year)"
  check "what is old is announced first" until_true status_says 'older than retention.log_days'
  check "and not deleted yet" keeps_segments
  check "a person can stop it" chat_says '/history keep' 'Nothing is deleted because of its age'
  check "then it is announced no more" until_true not status_says 'older than retention.log_days'
  check "the chat is muted" tell '/mute 1h' mute
  jump -$ten_years
  # Nothing may hang on the time of ten years ahead.
  check "set back by the time server, the clock is right" until_true log_says "clock_believed.*now=$right-"
  check "the mute lasts" mute_lasts
  check "it is recorded in $right" recorded_in $right
  check "it is unmuted" tell /unmute unmute
  holds_on
}

part=$(sed -n 's/.*set_clock=\([a-z]*\).*/\1/p' /proc/cmdline)
$part
stop
check "the log and the state agree" sh -c 'probewatch check -c /tmp/config.toml > /tmp/out 2>&1'
