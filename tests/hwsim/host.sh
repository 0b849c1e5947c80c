# What `run` and `system` share on this side of the machine. Sourced with bash, in the repository's folder.

cache=${HWSIM_CACHE:-/tmp/probewatch-hwsim}
# The radios' drivers and what they need, in the order in which they need each other.
radio_modules=(lib/crypto/libarc4 net/rfkill/rfkill net/wireless/cfg80211 net/mac80211/mac80211
  drivers/net/wireless/mac80211_hwsim drivers/net/dummy)

download() { # package...: unpacked in $cache/root
  mkdir -p "$cache/deb" "$cache/root"
  (cd "$cache/deb" && apt-get download -q "$@")
  for deb in "$cache"/deb/*.deb; do dpkg -x "$deb" "$cache/root"; done
  rm -r "$cache/deb"
}

kernel() { ls "$cache"/root/boot/vmlinuz-* 2>/dev/null | head -n 1; }
if [ -z "$(kernel)" ]; then
  image=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
  download "$image" busybox-static iw hostapd libnl-3-200 libnl-genl-3-200 libnl-route-3-200 wireless-regdb
fi
modules=$(ls -d "$cache"/root/lib/modules/*)
qemu=$(command -v qemu-system-x86_64 || true)
if [ -z "$qemu" ]; then
  qemu=$cache/root/usr/bin/qemu-system-x86_64
  [ -x "$qemu" ] || download $(apt-get install -s --no-install-recommends qemu-system-x86 |
    awk '$1 == "Inst" { print $2 }')
fi

unpack_modules() { # folder, module...: into folder/lib/modules, with their names in folder/etc/modules
  local root=$1 module name file
  shift
  mkdir -p "$root/lib/modules" "$root/etc"
  for module in "$@"; do
    name=${module##*/}
    echo "$name" >> "$root/etc/modules"
    file=$(ls "$modules/kernel/$module".ko*)
    case $file in
      *.xz) xz -dc "$file" > "$root/lib/modules/$name.ko" ;;
      *) cp "$file" "$root/lib/modules/" ;;
    esac
  done
}

pack_initramfs() { # folder, file
  (cd "$1" && find . | "$cache/root/bin/busybox" cpio -o -H newc --quiet) > "$2"
}

boot() { # seconds, initramfs, the kernel's further arguments, QEMU's further arguments...: what it says
  local seconds=$1 initramfs=$2 append=$3
  shift 3
  # On a busy machine, the emulated timer can be too late for the kernel's check of it (no_timer_check).
  LD_LIBRARY_PATH=$cache/root/usr/lib/x86_64-linux-gnu:$cache/root/lib/x86_64-linux-gnu \
    timeout "$seconds" "$qemu" -L "$cache/root/usr/share/qemu" -L "$cache/root/usr/share/seabios" \
    -machine pc -cpu max -display none -no-reboot -nic none -monitor none \
    -kernel "$(kernel)" -initrd "$initramfs" -append "console=ttyS0 quiet panic=-1 no_timer_check $append" \
    -serial stdio "$@" < /dev/null | sed -u 's,\r$,,'
}
