#!/bin/sh
# collect-runtime.sh FOLDER: makes FOLDER a root file system with the Debian files that the service needs: programs and
# libraries with their licences, and the package records from which vulnerability scanners learn the versions.
set -eu

root=$1

# Debian's merged /usr: /lib is a link to usr/lib, and so on. The path of the dynamic loader contains one of these links.
make_folders() {
  install -d "$root/usr" "$root/etc" "$root/dev" "$root/proc" "$root/sys"
  # runc gives a tmpfs the mode of the directory that it covers and ignores the requested mode.
  install -d -m 1777 "$root/run" "$root/tmp"
  for link in /bin /lib /lib64 /sbin; do
    [ -L "$link" ] || continue
    install -d "$root$(readlink -f "$link")"
    cp -P "$link" "$root$link"
  done
}

# One unprivileged user, and the configuration of host name look-ups.
make_settings() {
  printf '%s\n' 'root:x:0:0::/:/' 'packetflix:x:51001:51001::/:/' > "$root/etc/passwd"
  printf '%s\n' 'root:x:0:' 'packetflix:x:51001:' > "$root/etc/group"
  echo 'hosts: files dns' > "$root/etc/nsswitch.conf"
}

# ldd prints "name => path (address)", and the dynamic loader as "path (address)".
libraries_of() {
  ldd "$@" | sed -n 's|^[^/]*\(/[^ :]*\) (0x.*|\1|p' | sort -u
}

# Scanners look for the directory status.d in images without dpkg.
record_package() {
  file=$(realpath "$1")
  # Packages built before the merge list /lib instead of /usr/lib. Node is in no package and has its own licence file.
  owner=$(dpkg -S "$file" 2> /dev/null || dpkg -S "${file#/usr}" 2> /dev/null) || return 0
  package=${owner%%:*}
  install -d "$root/var/lib/dpkg/status.d"
  dpkg -s "$package" > "$root/var/lib/dpkg/status.d/$package"
  cp --parents "/usr/share/doc/$package/copyright" "$root"
}

collect() {
  for file in "$@"; do
    cp --parents -L "$file" "$root"
    record_package "$file"
  done
}

programs='/usr/local/bin/node /usr/bin/setpriv /usr/bin/unshare'
libpcap=$(ldconfig -p | sed -n 's|.*libpcap\.so\.0\.8 .*=> ||p' | head -n 1)
addons=$(find /packetflix -name '*.node')

make_folders
make_settings
# shellcheck disable=SC2086,SC2046 # lists of paths without white space
collect $programs $libpcap $(libraries_of $programs $libpcap $addons)
