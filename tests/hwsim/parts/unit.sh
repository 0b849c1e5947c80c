# The service under systemd: how it starts, what it may, that it is looked after.

perl ./telegram.pl &
telegram=$!
out install_package
add_radios
set_up < /dev/null
out systemctl start probewatch
check "it starts" is ActiveState active
check "and is ready only once its source is open" log_says 'event="source_opened" source=street'
check "systemctl status says what it does" out_says 'Status: "' systemctl status --no-pager probewatch
check "the monitor interface is there" exists pwmon0
check "the managed interface is down meanwhile" not is_up wlan0
check "it says where it listens" log_says 'source=street interface=pwmon0 channels=1 (2412 MHz), 6 (2437 MHz), 11 (2462 MHz)'
check "it records what another radio asks for" until_true has_recorded 1

# Rights.
pid=$(main_pid)
check "it has the two capabilities" out_says '^CapEff:.*0000000000003000$' grep Cap /proc/$pid/status
check "and can have no other" says '^CapBnd:.*0000000000003000$'
check "its user is made for it" [ "$(ps -o uid= -p $pid | tr -d ' ')" -ge 61184 ]
check "its data is in its private directory" [ -L /var/lib/probewatch -a -d /var/lib/private/probewatch/events ]
check "which is for nobody else" [ "$(stat -c %a /var/lib/private/probewatch)" = 700 ]
check "the token is not in its environment" not grep -q AAEhBOwe /proc/$pid/environ
check "systemd scores it at 2.0 or lower" out systemd-analyze security --threshold=20 --no-pager probewatch.service

# Beside it.
check "status is answered" out_says 'street' probewatch status
check "a look-up is answered" out_says 'RNM0' probewatch lookup 02:00:00:00:01:00
as_nobody() { setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"; }
refused() { not out as_nobody probewatch "$@"; }
check "another user is refused status" refused status
check "and a look-up" refused lookup 02:00:00:00:01:00
check "and says why" says 'ermission\|sudo\|as another user\|may not'
check "doctor finds nothing broken but the clock" sh -c 'probewatch doctor > /tmp/out; ! grep -v "^✗ Clock" /tmp/out | grep -q "^✗"'
check "it knows the service" says "✓ Service: running as process $pid"
check "and its capabilities" says '✓ Capabilities: the service has CAP_NET_RAW and CAP_NET_ADMIN'
check "and its source" says '✓ Source .*: the service receives frames'
check "and its directory" says '✓ Data directory: the service writes to /var/lib/probewatch'
# No time server is here; what it leaves behind is.
synchronize
check "with the clock set all is right" out probewatch doctor
cp /tmp/out /tmp/doctor
with_token() { PROBEWATCH__TELEGRAM__TOKEN_FILE=/etc/probewatch/telegram-token probewatch doctor; }
check "doctor checks the bot, too, given its token" out_says '✓ Telegram token' with_token
check "each line has its sign" not grep -v '^[✓✗!→ ]' /tmp/doctor
out as_nobody probewatch doctor
check "to another user it says that the service is another's" says '! Service: .*another user'
check "and does not call the source broken" not says '^✗ Source'

# Without its bot.
kill $telegram
wait $telegram 2> /dev/null
out systemctl restart probewatch
check "it starts while Telegram is out of reach" is ActiveState active
check "and records" records_more
perl ./telegram.pl &

out systemctl stop probewatch
check "it stops well" is Result success
check "its monitor interface is gone" not exists pwmon0
check "the managed interface is up again" is_up wlan0

# It is looked after.
printf 'WatchdogSec=10\nRestartSec=1\n' | drop_in
out systemctl restart probewatch
check "the watchdog is pinged" sh -c 'sleep 25; [ "$(systemctl show -P NRestarts probewatch)" = 0 ]'
pid=$(main_pid)
kill -STOP "$pid"
is_another() { is ActiveState active && [ "$(main_pid)" != "$pid" ]; }
check "stuck, it is started anew" until_true is_another
check "by the watchdog" log_says 'watchdog\|Watchdog' 
check "and records" records_more
pid=$(main_pid)
kill -9 "$pid"
check "killed, it is started anew" until_true is_another
check "and records again" records_more
check "with one monitor interface" [ "$(ls /sys/class/net | grep -c pwmon)" = 1 ]
out systemctl stop probewatch
check "and in the end the managed interface is up again" is_up wlan0

# What keeps it from starting.
rm /run/systemd/system/probewatch.service.d/test.conf
systemctl daemon-reload
out systemctl stop probewatch
mv /etc/probewatch/telegram-token /etc/probewatch/elsewhere
out systemctl start probewatch
check "without the token's file it does not start" is ExecMainStatus 243
out systemctl stop probewatch
mv /etc/probewatch/elsewhere /etc/probewatch/telegram-token
systemctl reset-failed probewatch 2> /dev/null
printf 'RestartSec=100ms\n' | drop_in
echo 'no_such_key = 1' | set_up
out systemctl start probewatch
check "a configuration that is wrong keeps it from starting" until_true is ActiveState failed
check "after as many tries as the unit says" [ "$(property NRestarts)" = 20 ]
check "systemd says that it gave up" log_says 'Start request repeated too quickly'
check "and it is said why" log_says 'no_such_key'
systemctl reset-failed probewatch 2> /dev/null
rm /run/systemd/system/probewatch.service.d/test.conf
systemctl daemon-reload
