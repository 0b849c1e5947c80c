# A radio that is switched off, pulled out, or late.

perl ./telegram.pl &
synchronize
# It would switch off a radio that comes back, if it has not yet saved that it was switched on.
systemctl -q mask --now systemd-rfkill.socket systemd-rfkill.service
out install_package
add_radios
set_up < /dev/null

check "doctor finds nothing broken before it ever ran" out probewatch doctor
check "it says of the interface that it serves" says '! Source .*: not tried: it is down or not in monitor mode, which the service will change'
ip link set wlan0 down
check "also where it is down" out_says '! Source .*: not tried: it is down' probewatch doctor
ip link set wlan0 up

# rfkill.
check "it captures" captures
mark_log
rfkill block wifi
check "a radio that is switched off is reported" until_true log_since_says 'rfkill unblock wifi'
check "it is not called busy" not log_since_says 'radio is busy'
check "by doctor too" until_true doctor_says 'rfkill unblock wifi'
check "and in the status" out_says 'switched off' probewatch status
rfkill unblock wifi
ip link set wlan1 up
check "switched on, it records again" records_more
systemctl stop probewatch
rfkill block wifi
check "doctor tells of it before the service does" doctor_says 'rfkill unblock wifi'
check "it is reported at the start" refuses 'rfkill unblock wifi'
systemctl stop probewatch
rfkill unblock wifi
ip link set wlan0 up
ip link set wlan1 up

# The adapter goes, and comes back; and comes after the start.
check "it captures once more" captures
mark_log
rmmod mac80211_hwsim
check "it waits for an adapter that is pulled out" until_true log_since_says 'trying again'
check "doctor says what is missing" doctor_says '✗ Source'
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
systemctl stop probewatch

# The name that the README gives an adapter.
rmmod mac80211_hwsim
printf '[Match]\nMACAddress=02:00:00:00:00:00\nOriginalName=wlan*\n[Link]\nName=probe0\n' > /etc/systemd/network/10-probewatch.link
udevadm control --reload
modprobe mac80211_hwsim radios=3
check "an adapter has the name that is given to its address" until_true exists probe0
sed -i 's/"wlan0"/"probe0"/' /etc/probewatch/config.toml
ip link set wlan1 up
check "which captures" captures
check "and its monitor interface keeps its own, though it has the same address" exists pwmon0
