# The package comes and goes.

enabled() { find /etc/systemd -name '*probewatch*'; }
ls -d /etc/* /var/lib/* > /tmp/before

check "it installs, and asks for nothing" out install_package
check "nothing is started" is ActiveState inactive
check "nothing is enabled" [ -z "$(enabled)" ]
check "systemd knows the unit" is LoadState loaded
check "and that it is disabled" [ "$(systemctl is-enabled probewatch)" = disabled ]
check "its command is the package's" sh -c 'systemctl show -P ExecStart probewatch | grep -q "path=/usr/bin/probewatch "'
check "what the unit documents is there" sh -c '[ -e "$(systemctl show -P Documentation probewatch | sed "s,^file://,,")" ] || [ -e /usr/share/doc/probewatch/README.md.gz ]'
for file in /usr/bin/probewatch /usr/share/doc/probewatch/config.example.toml /usr/share/doc/probewatch/copyright \
  /usr/share/doc/probewatch/docs/chat.png /usr/share/bash-completion/completions/probewatch \
  /usr/share/zsh/vendor-completions/_probewatch \
  /usr/share/fish/vendor_completions.d/probewatch.fish; do
  check "$file is there" [ -s "$file" ]
done
check "the man page is readable" out_says 'probewatch' man --pager=cat probewatch
check "a subcommand's too" out_says 'remedy\|broken' man --pager=cat probewatch-doctor
check "bash completes" bash -c '. /usr/share/bash-completion/completions/probewatch && complete -p probewatch > /dev/null'
check "the program runs" out_says '^probewatch ' probewatch --version
check "systemd finds the unit clean" sh -c 'out=$(systemd-analyze verify probewatch.service 2>&1); echo "$out" > /tmp/out; [ -z "$out" ]'
check "systemd scores it at 2.0 or lower" out systemd-analyze security --threshold=20 --no-pager probewatch.service
check "the example is a configuration" out_says 'no data in /tmp' probewatch lookup -c /usr/share/doc/probewatch/config.example.toml --data-dir /tmp nobody

# Nothing is set up yet.
systemctl start probewatch > /tmp/out 2>&1
check "without a token it does not start" is Result exit-code
check "which is systemd's 243" is ExecMainStatus 243
systemctl stop probewatch

# An upgrade starts nothing that did not run.
check "it installs over itself" out install_package
check "and still enables nothing" [ -z "$(enabled)" ]

modprobe mac80211_hwsim radios=2
until_true exists wlan1
ip link set wlan1 up
set_up < /dev/null
systemctl enable --now probewatch > /tmp/out 2>&1
check "enabled, it runs" is ActiveState active
check "and records" until_true has_recorded 1
pid=$(main_pid)
check "it installs over itself while it runs" out install_package
check "and runs anew" until_true sh -c "[ \$(systemctl show -P ActiveState probewatch) = active ] && [ \$(systemctl show -P MainPID probewatch) != $pid ]"
events=$(recorded)
check "dpkg --remove stops it" out dpkg --remove probewatch
check "it is stopped" not pidof probewatch
check "its monitor interface is gone" not exists pwmon0
check "the data stays" [ "$(recorded)" -ge "$events" ]
check "the configuration stays" [ -s /etc/probewatch/telegram-token ]
check "dpkg --purge takes the rest" out dpkg --purge probewatch
check "the data is gone" [ ! -e /var/lib/private/probewatch ]
check "so is the token" [ ! -e /etc/probewatch ]
ls -d /etc/* /var/lib/* > /tmp/after
diff /tmp/before /tmp/after > /tmp/out
check "/etc and /var/lib are as before" cmp -s /tmp/before /tmp/after
find / -xdev -name '*probewatch*' -not -path '/checks/*' -not -path '/tmp/*' -not -path '/proc/*' -not -path '/sys/*' \
  -not -path '/var/cache/man/*' -not -path '/var/log/*' -not -path '/run/systemd/propagate/*' > /tmp/out
check "nothing is left" [ ! -s /tmp/out ]
