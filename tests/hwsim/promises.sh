# What `init` and `checks` share inside of the machine. Each `check` is a promise.

failed=0
held() { echo "held: $1"; }
broke() { echo "BROKE: $1"; [ ! -f /tmp/out ] || sed 's/^/    /' /tmp/out; failed=$((failed + 1)); }
check() { # what it promises, then a command that succeeds if it holds
  promise=$1
  shift
  if "$@"; then held "$promise"; else broke "$promise"; fi
}
uptime_seconds() { cut -d. -f1 /proc/uptime; } # the clock may be set meanwhile
until_true() { # a command that succeeds within two minutes
  end=$(($(uptime_seconds) + 120))
  until "$@"; do
    [ "$(uptime_seconds)" -lt $end ] || return 1
    sleep 0.2
  done
}
not() { ! "$@"; }
exists() { [ -e "/sys/class/net/$1" ]; }
is_up() { ip link show "$1" | head -n 1 | grep -q '[<,]UP[,>]'; }
says() { grep -q -- "$1" /tmp/out; }
the_end() {
  if [ $failed = 0 ]; then echo "hwsim: all held"; else echo "hwsim: $failed broke"; fi
  poweroff -f
}
