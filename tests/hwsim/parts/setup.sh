# From the installed package to the first alert: `probewatch setup`, with the real NetworkManager, udev and systemd.

# It is the way to the internet, in place of a cable.
ip link add cable0 type dummy && ip addr add 10.1.0.2/24 dev cable0 && ip link set cable0 up
ip route add default via 10.1.0.1 dev cable0
perl ./telegram.pl &
synchronize
out install_package
add_radios
printf '[keyfile]\nunmanaged-devices=interface-name:wlan1;interface-name:wlan2;interface-name:hwsim0\n' > /etc/NetworkManager/conf.d/00-test.conf
out systemctl start NetworkManager
managed() { grep -qs managed=true /run/NetworkManager/devices/$(cat /sys/class/net/wlan0/ifindex); }
check "NetworkManager manages the adapter" until_true managed
echo 42:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc > /run/token
# The server of the test is configured before, as one's own would be.
mkdir -p /etc/probewatch
printf '# the test server\n[telegram]\napi_url = "http://127.0.0.1:8081"\n' > /etc/probewatch/config.toml

set_up_all() { probewatch setup --yes --adapter "${1:-wlan0}" --token-file /run/token --time-zone UTC; }
as_nobody() { setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"; }
check "another user is sent to sudo" out_says 'sudo probewatch setup' as_nobody probewatch setup --yes
check "a dry run changes nothing" sh -c 'probewatch setup --dry-run > /tmp/out && [ ! -e /etc/probewatch/telegram-token ]'
check "it lists what the adapters can do" says 'wlan0 (.*, mac80211_hwsim): monitor mode; 2.4 GHz, 5 GHz.*; used by NetworkManager'

# The other radio searches until setup has ended.
(while sleep 1; do ask; done) &
asker=$!
set_up_all > /tmp/setup 2>&1
status=$?
kill $asker
cp /tmp/setup /tmp/out
check "setup ends well" [ $status = 0 ]
check "it knows the bot" says 'that of @probes_bot'
check "it has waited for the first frame" says 'the first probe request is recorded'
check "it shows the link" says 'https://t.me/probes_bot?start='
check "the adapter has its name" exists probe0
check "and no other" not exists wlan0
check "NetworkManager leaves it alone" until_true sh -c 'nmcli -t device > /tmp/out; grep -q "^probe0:wifi:unmanaged" /tmp/out'
check "the service runs" is ActiveState active
check "and is enabled" [ "$(systemctl is-enabled probewatch)" = enabled ]
check "only root reads the token" [ "$(stat -c '%a %U' /etc/probewatch/telegram-token)" = "600 root" ]
check "the comment is there still" grep -q '^# the test server$' /etc/probewatch/config.toml
check "doctor finds nothing broken" out probewatch doctor
check "a second run changes nothing" sh -c '. ./promises.sh; find /etc -newer /tmp/setup > /tmp/new; probewatch setup --yes > /tmp/out && grep -q "nothing was changed" /tmp/out'

# The owner opens the link, and watches a network.
code=$(sed -n 's/.*start=\([0-9a-f]*\).*/\1/p' /tmp/setup | head -n 1)
tell() { echo "$1" >> /run/telegram-updates; }
sent() { grep -qs "$1" /run/telegram-sent; }
tell "/start $code"
check "who opens the link owns the bot" until_true log_says 'event="chat_paired"'
tell "/watch RNM0 the van"
check "the bot answers" until_true sent 'RNM0'
rm /run/telegram-sent
alerted() { ask; sent 'the van'; }
check "the first alert arrives" until_true alerted

# The name holds where the adapter is plugged in again.
out systemctl stop probewatch
rmmod mac80211_hwsim
modprobe mac80211_hwsim radios=3
check "plugged in again it has its name" until_true exists probe0
ip link set wlan1 up
out systemctl start probewatch
records() { ask; [ "$(cat /var/lib/private/probewatch/events/*.ndjson | grep -c '"sensor":"probe0".*"ssid":"RNM0"')" -gt "$1" ]; }
before=$(cat /var/lib/private/probewatch/events/*.ndjson | grep -c '"sensor":"probe0".*"ssid":"RNM0"')
check "and is listened with" until_true records "$before"

check "undo ends well" out probewatch setup --undo --yes
check "the service is stopped" not is ActiveState active
check "the adapter has its old name" until_true exists wlan0
check "NetworkManager manages it again" until_true managed
check "the configuration is as before" sh -c 'printf "# the test server\n[telegram]\napi_url = \"http://127.0.0.1:8081\"\n" | cmp -s - /etc/probewatch/config.toml'
check "the token is gone" [ ! -e /etc/probewatch/telegram-token ]
check "so are the files of udev and NetworkManager" [ -z "$(ls /etc/systemd/network /etc/NetworkManager/conf.d | grep probewatch)" ]

# Purged, the package takes what setup made with it.
out set_up_all
check "it can be set up again" is ActiveState active
out dpkg --purge probewatch
check "nothing is left of it in /etc" [ -z "$(find /etc -name '*probewatch*')" ]
check "nor in /var/lib" [ -z "$(find /var/lib -maxdepth 2 -name '*probewatch*')" ]
out systemctl stop NetworkManager
