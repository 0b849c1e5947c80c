# A radio that is switched off, pulled out, or late.

perl ./telegram.pl &
mkdir -p /run/systemd/timesync && touch /run/systemd/timesync/synchronized
out install_package
add_radios
set_up < /dev/null

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

# The adapter goes, and comes back; and comes after the start.
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
