# What else may hold the radio: the real wpa_supplicant and NetworkManager.

perl ./telegram.pl &
synchronize
out install_package
add_radios
set_up < /dev/null

# An access point, so that there is something to join.
printf 'interface=wlan2\nssid=home\nhw_mode=g\nchannel=6\nwpa=2\nwpa_key_mgmt=WPA-PSK\nrsn_pairwise=CCMP\nwpa_passphrase=correct horse\n' > /run/hostapd.conf
hostapd -B /run/hostapd.conf > /tmp/out 2>&1
check "there is an access point" until_true sh -c 'iw dev wlan2 info | grep -q "ssid home"'

# wpa_supplicant.
wpa_passphrase home 'correct horse' > /etc/wpa_supplicant/wpa_supplicant-wlan0.conf
joined() { iw dev wlan0 link | grep -q '^Connected'; }
out systemctl start wpa_supplicant@wlan0
check "wpa_supplicant joins" until_true joined
check "it reports that wpa_supplicant holds it" refuses 'wpa_supplicant uses wlan0.*systemctl stop wpa_supplicant@wlan0'
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
# The service does not: its unit hides other users' processes.
pkill -x wpa_supplicant
until_true not pidof -q wpa_supplicant

# NetworkManager. It is to leave the radio that asks and the access point alone.
printf '[keyfile]\nunmanaged-devices=interface-name:wlan1;interface-name:wlan2;interface-name:hwsim0\n' > /etc/NetworkManager/conf.d/00-test.conf
out systemctl start NetworkManager
check "NetworkManager manages the interface" until_true sh -c 'nmcli -t -f DEVICE,STATE device | grep -q "^wlan0:\(dis\)\?connect"'
check "it reports that NetworkManager holds it" refuses 'NetworkManager uses wlan0.*nmcli device set wlan0 managed no'
# As the README has it for good, too.
sed -n 's/.*for good: \(unmanaged-devices=[^ ]*\) under \[keyfile\].*/\1/p' /tmp/out | head -n 1 > /tmp/remedy
unmanaged_for_good() { (echo '[keyfile]' && sed 's/=/+=/' /tmp/remedy) > /etc/NetworkManager/conf.d/probewatch.conf; }
managed() { grep -q managed=true /run/NetworkManager/devices/$(cat /sys/class/net/wlan0/ifindex); }
unmanaged() { nmcli -t device > /tmp/out && says '^wlan0:wifi:unmanaged'; }
check "by doctor too" doctor_says 'NetworkManager uses wlan0'
unmanaged_for_good
out systemctl reload NetworkManager
check "with the remedy for good NetworkManager leaves it alone" until_true unmanaged
check "and it captures" captures
systemctl stop probewatch
rm /etc/NetworkManager/conf.d/probewatch.conf
out systemctl reload NetworkManager
check "without it NetworkManager manages it again" until_true managed
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
check "lets the service capture" captures
check "and doctor finds nothing broken" out probewatch doctor
check "NetworkManager leaves the monitor interface alone" not sh -c 'nmcli -t -f DEVICE,STATE device | grep pwmon | grep -v unmanaged'
systemctl stop probewatch
out nmcli device set wlan0 managed yes
until_true managed
check "held again, it reports it again" refuses 'NetworkManager uses wlan0'
unmanaged_for_good
# As after the next boot: what nmcli said by hand is forgotten.
systemctl stop NetworkManager
rm -rf /run/NetworkManager/devices
out systemctl start NetworkManager
check "over a reboot the remedy for good holds" until_true unmanaged
check "and lets it capture" records_more
systemctl stop NetworkManager wpa_supplicant
systemctl stop probewatch
