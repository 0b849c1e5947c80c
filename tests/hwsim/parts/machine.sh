# What keeps the service from its radio: the real rfkill, NetworkManager and wpa_supplicant.

perl ./telegram.pl &
mkdir -p /run/systemd/timesync && touch /run/systemd/timesync/synchronized
out install_package
add_radios
set_up < /dev/null
doctor_says() { # words: that something is broken
  probewatch doctor > /tmp/out && return 1
  says "$1"
}
refuses() { # words: it does not listen, and says why
  mark_log
  out systemctl restart --no-block probewatch
  until_true log_since_says "$1"
}
hears() {
  out systemctl restart probewatch
  records_more
}

check "doctor finds nothing broken before it ever ran" out probewatch doctor
check "it says of the interface that it serves" says '✓ Source wlan0: the service can put it into monitor mode'
ip link set wlan0 down
check "also where it is down" out_says '✓ Source wlan0' probewatch doctor
ip link set wlan0 up

# rfkill.
check "it hears" hears
mark_log
rfkill block wifi
check "a radio that is switched off is told" until_true log_since_says 'rfkill unblock wifi'
check "by doctor too" doctor_says 'rfkill unblock wifi'
check "and in the status" out_says 'switched off' probewatch status
rfkill unblock wifi
ip link set wlan1 up
check "switched on, it records again" records_more
systemctl stop probewatch
rfkill block wifi
check "doctor tells of it before the service does" doctor_says 'rfkill unblock wifi'
check "it is told at the start" refuses 'rfkill unblock wifi'
systemctl stop probewatch
rfkill unblock wifi
ip link set wlan0 up
ip link set wlan1 up

# An access point, so that there is something to join.
printf 'interface=wlan2\nssid=home\nhw_mode=g\nchannel=6\nwpa=2\nwpa_key_mgmt=WPA-PSK\nrsn_pairwise=CCMP\nwpa_passphrase=correct horse\n' > /run/hostapd.conf
hostapd -B /run/hostapd.conf > /tmp/out 2>&1
check "there is an access point" until_true sh -c 'iw dev wlan2 info | grep -q "ssid home"'

# wpa_supplicant.
wpa_passphrase home 'correct horse' > /etc/wpa_supplicant/wpa_supplicant-wlan0.conf
joined() { iw dev wlan0 link | grep -q '^Connected'; }
out systemctl start wpa_supplicant@wlan0
check "wpa_supplicant joins" until_true joined
check "it is told that wpa_supplicant holds it" refuses 'wpa_supplicant uses wlan0.*systemctl stop wpa_supplicant@wlan0'
check "by doctor too" doctor_says 'wpa_supplicant uses wlan0'
check "and nothing is taken from it" joined
out systemctl stop wpa_supplicant@wlan0
check "stopped, it leaves the interface to the service" records_more
systemctl stop probewatch
ip link set wlan0 up
# Started by hand, it has a control socket or an argument only.
wpa_supplicant -B -i wlan0 -c /etc/wpa_supplicant/wpa_supplicant-wlan0.conf > /dev/null 2>&1
check "one that was started by hand joins" until_true joined
check "doctor sees it" doctor_says 'wpa_supplicant uses wlan0'
check "the service sees it, or that somebody has the radio" refuses 'wpa_supplicant uses wlan0\|the radio is busy'
systemctl stop probewatch
pkill -x wpa_supplicant
until_true not pidof wpa_supplicant

# NetworkManager. It is to leave the radio that asks and the access point alone.
printf '[keyfile]\nunmanaged-devices=interface-name:wlan1;interface-name:wlan2;interface-name:hwsim0\n' > /etc/NetworkManager/conf.d/test.conf
out systemctl start NetworkManager
check "NetworkManager manages the interface" until_true sh -c 'nmcli -t -f DEVICE,STATE device | grep -q "^wlan0:\(dis\)\?connect"'
check "it is told that NetworkManager holds it" refuses 'NetworkManager uses wlan0.*nmcli device set wlan0 managed no'
check "by doctor too" doctor_says 'NetworkManager uses wlan0'
check "before the service runs as well" sh -c 'systemctl stop probewatch; probewatch doctor > /tmp/out; grep -q "NetworkManager uses wlan0" /tmp/out'
out nmcli connection add type wifi con-name home ifname wlan0 ssid home wifi-sec.key-mgmt wpa-psk wifi-sec.psk 'correct horse' \
  ipv4.method manual ipv4.addresses 10.0.0.2/24 ipv4.gateway 10.0.0.1
out nmcli --wait 60 connection up home
check "NetworkManager joins" until_true joined
check "the default route goes that way" until_true sh -c 'ip route | grep -q "^default.*wlan0"'
check "the only way to the internet is not taken" refuses "wlan0 is this machine's only way to the internet over IPv4"
check "doctor says so too" doctor_says "only way to the internet"
systemctl stop probewatch
check "and it is as it was" joined
out nmcli connection delete home
check "the remedy for NetworkManager" out nmcli device set wlan0 managed no
check "lets the service hear" hears
check "and doctor finds nothing broken" out probewatch doctor
check "NetworkManager leaves the monitor interface alone" not sh -c 'nmcli -t -f DEVICE,STATE device | grep pwmon | grep -v unmanaged'
systemctl stop probewatch
out nmcli device set wlan0 managed yes
until_true sh -c 'grep -q managed=true /run/NetworkManager/devices/$(cat /sys/class/net/wlan0/ifindex)'
check "held again, it is told again" refuses 'NetworkManager uses wlan0'
sed -n 's/.*for good: \(unmanaged-devices=[^ ]*\) under \[keyfile\].*/\1/p' /tmp/out | head -n 1 > /tmp/remedy
(echo '[keyfile]' && sed 's/=/+=/' /tmp/remedy) > /etc/NetworkManager/conf.d/probewatch.conf
out systemctl restart NetworkManager
check "the remedy for good lets it hear too" records_more
systemctl stop NetworkManager wpa_supplicant
systemctl stop probewatch

# A machine in a hurry: the interface is not there yet, goes, and comes back.
check "it hears once more" hears
mark_log
rmmod mac80211_hwsim
check "it waits for an adapter that is pulled out" until_true log_since_says 'trying again'
check "doctor says what is missing" doctor_says 'Source wlan0'
add_radios
check "and takes it up again" records_more
systemctl stop probewatch
check "the interface is left as it was" is_up wlan0
rmmod mac80211_hwsim
out systemctl start --no-block probewatch
mark_log
sleep 15
add_radios
check "an adapter that comes after the start is taken up" records_more
