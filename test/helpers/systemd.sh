#!/bin/sh
# Boots systemd in namespaces of its own: systemd.sh FOLDER own|here SHARED...
#
# FOLDER is a new one, and the SHARED ones are there under the same path. The network is an empty one of its `own`, or that
# of the caller (`here`). The machine's root file system, with what dpkg knows, is below an overlay in memory, so everything
# may be written and installed and nothing is kept; of its units only the journal's are there, since the others would set
# sysctls that no namespace has. /dev, /run and /tmp are new, and the control group has a root of its own. Prints `ready` when
# systemd is started; all of it ends at the end of standard input. To be run in a mount namespace of its own. cgroups(7),
# systemd(1), https://systemd.io/CONTAINER_INTERFACE
set -eu
FOLDER=$1 NETWORK=$2

case $NETWORK in
own | here)
	[ "$NETWORK" = own ] && SPACES=-pfmuiCn || SPACES=-pfmuiC
	shift 2
	# Nothing of ours is left in the machine's control groups, whoever dies first: then nobody reads what is said.
	trap '' PIPE
	mount -t tmpfs wanmark "$FOLDER"
	mkdir "$FOLDER/cgroup" "$FOLDER/over"
	mount -t cgroup2 cgroup2 "$FOLDER/cgroup"
	GROUP=$FOLDER/cgroup/wanmark-test-$$
	mkdir "$GROUP"
	# The shell that is moved is the one that becomes the namespaces' first process.
	sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec unshare "$@"' sh "$GROUP" \
		"$SPACES" --kill-child sh "$0" "$FOLDER" boot "$@" </dev/null &
	HELD=$!
	read -r _ || :
	kill -9 "$HELD" 2>/dev/null || :
	wait "$HELD" || :
	# The last processes may still be ending.
	while ! find "$GROUP" -depth -type d -exec rmdir {} + 2>/dev/null && [ -d "$GROUP" ]; do sleep 0.1; done
	;;
boot)
	ROOT=$FOLDER/root
	mkdir "$FOLDER/over/upper" "$FOLDER/over/work" "$ROOT"
	mount -t overlay overlay -o "lowerdir=/,upperdir=$FOLDER/over/upper,workdir=$FOLDER/over/work" "$ROOT"
	cd "$ROOT"
	mount -t proc proc proc
	mount -t sysfs sysfs sys
	mount -t cgroup2 cgroup2 sys/fs/cgroup
	mount -t tmpfs -o mode=755 run run
	mount -t tmpfs -o mode=1777 tmp tmp
	shift 2
	# They may be on another file system, which an overlay does not show, or in /tmp.
	for shared; do
		mkdir -p "$ROOT$shared"
		mount --bind "$shared" "$ROOT$shared"
	done
	mount -t tmpfs -o mode=755 dev dev
	mkdir dev/pts dev/shm
	for device in null:3 zero:5 full:7 random:8 urandom:9; do
		mknod -m 666 "dev/${device%:*}" c 1 "${device#*:}"
	done
	mknod -m 666 dev/tty c 5 0
	# PrivateDevices= makes a copy of it.
	mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
	ln -s pts/ptmx dev/ptmx
	ln -s /proc/self/fd dev/fd
	# Whatever would be started beside us.
	rm -rf etc/systemd/system/* lib/systemd/system/*.target.wants var/log/journal
	# What a daemon of this machine has left, and what lets packages start nothing in a container's image.
	rm -rf var/lib/wanmark usr/sbin/policy-rc.d
	: >etc/fstab
	: >etc/machine-id
	printf '[Unit]\nRequires=sysinit.target systemd-journald.service\nAfter=sysinit.target systemd-journald.service\n' \
		>etc/systemd/system/wanmark-test.target
	mkdir -p old
	pivot_root . old
	exec 0</dev/null
	umount -l /old
	ip link set lo up
	echo ready
	# What it says goes to its journal.
	exec env -i container=wanmark-test /lib/systemd/systemd --system --unit=wanmark-test.target >/dev/null 2>&1
	;;
esac
