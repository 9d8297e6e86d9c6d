#!/bin/sh
# Runs kernel tests as the first process of a virtual machine: guest.sh CHECKOUT
#
# What is to be run is on the kernel's command line: wanmark.backend=BACKEND wanmark.files=NAME,NAME... Each file's output
# goes to /results, and a line about it to the port `said` when it ends.
set -u
cd "$1" || exit 1
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs -o mode=1777 tmp /tmp
mkdir -p /dev/pts /dev/shm /run/lock
mount -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t cgroup2 cgroup /sys/fs/cgroup
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
ln -s fd/1 /dev/stdout
ln -s fd/2 /dev/stderr
hostname wanmark-test
ip link set lo up

BACKEND=$(sed -n 's/.*wanmark\.backend=\([^ ]*\).*/\1/p' /proc/cmdline)
FILES=$(sed -n 's/.*wanmark\.files=\([^ ]*\).*/\1/p' /proc/cmdline | tr , ' ')
for port in /sys/class/virtio-ports/*; do
	[ "$(cat "$port/name")" != said ] || SAID=/dev/${port##*/}
done

# What Debian's alternatives would lead to; nothing of the system has been set up, only unpacked.
VARIANT=nft
[ "$BACKEND" != iptables-legacy ] || VARIANT=legacy
for name in iptables ip6tables; do
	for verb in '' -save -restore; do ln -sf "$name-$VARIANT$verb" "/usr/sbin/$name$verb"; done
done

say() {
	printf '%s\n' "$*" >"$SAID"
}

export WANMARK_TEST_BACKEND="$BACKEND"
# versions: of all that the results depend on, such as "kernel 6.1.0-48-amd64, iptables 1.8.9, ...".
versions() {
	echo "kernel $(uname -r)"
	echo "iptables $(iptables --version | sed 's/^[^ ]* v\([^ ]*\).*/\1/')"
	echo "nft $(nft --version | sed 's/^[^ ]* v\([^ ]*\).*/\1/')"
	echo "iproute2 $(ip -V | sed 's/.*iproute2-\([^,]*\).*/\1/')"
	echo "node $(node --version)"
}
say "$(versions | paste -sd , | sed 's/,/, /g')"
for file in $FILES; do
	read -r began _ </proc/uptime
	# Many times what the longest file takes; one that hangs costs no more.
	timeout 1200 node --test --test-reporter=tap "dist-test/netns/$file.test.js" \
		>"/results/$file.tap" 2>&1
	code=$?
	read -r ended _ </proc/uptime
	# The totals are the last lines of their kind.
	totals=$(awk '/^# (pass|fail|cancelled|skipped) [0-9]+$/ { of[$2] = $3 }
		END { print of["pass"] + 0, of["fail"] + of["cancelled"], of["skipped"] + 0 }' "/results/$file.tap")
	say "file $file $code $totals $began $ended"
done
say end
sync
busybox reboot -f
