#!/bin/sh
# Boots systemd on a copy of this machine's own root: debian-root.sh FOLDER
#
# The copy is an overlay in memory, so what is installed there has this machine's dpkg database below it, and is gone at the
# end. The network is the caller's. FOLDER is an empty directory. Runs as root until it is killed.
set -eu
folder=$1

if [ "${2-}" != inside ]; then
	mount --make-rprivate /
	mount -t tmpfs -o mode=755 debian "$folder"
	# A group of its own, since systemd takes the one that it finds itself in for the machine's.
	mkdir "$folder/groups"
	mount -t cgroup2 groups "$folder/groups"
	group=$folder/groups/${folder##*/}
	mkdir "$group"
	sh -c "echo \$\$ >$group/cgroup.procs && exec unshare --mount --pid --uts --ipc --cgroup --fork --kill-child \
		sh $0 $folder inside" || :
	find "$group" -depth -type d -exec rmdir {} +
	exit
fi

cd "$folder"
mkdir up work root
mount -t overlay -o lowerdir=/,upperdir=up,workdir=work debian root
mount -t proc proc root/proc
mount -t sysfs sys root/sys
mount -t cgroup2 groups root/sys/fs/cgroup
mount -t tmpfs -o mode=755 run root/run
mount -t tmpfs -o mode=755 dev root/dev
mkdir root/dev/pts root/dev/shm
mount -t devpts -o ptmxmode=666 devpts root/dev/pts
ln -s pts/ptmx root/dev/ptmx
for device in null zero full random urandom tty; do
	: >"root/dev/$device"
	mount --bind "/dev/$device" "root/dev/$device"
done
ln -s /proc/self/fd root/dev/fd
# The machine has its settings, modules and devices already; cleaning would empty the /tmp that it shares, and nothing else of
# the machine's is to start here.
for unit in systemd-sysctl.service systemd-modules-load.service systemd-udevd.service systemd-udev-trigger.service \
	systemd-hwdb-update.service systemd-remount-fs.service systemd-binfmt.service systemd-random-seed.service \
	systemd-tmpfiles-setup.service systemd-tmpfiles-setup-dev.service systemd-update-utmp.service timers.target; do
	ln -sf /dev/null "root/etc/systemd/system/$unit"
done
: >root/etc/fstab
# What a daemon of this machine has left is none of the package's.
rm -rf root/var/lib/wanmark
# That of a container's image lets packages start nothing.
rm -f root/usr/sbin/policy-rc.d
export container=other
# Not chroot, since systemd puts the roots of its units together of mounts below its own.
cd root
pivot_root . .
umount -l .
exec chroot . /lib/systemd/systemd --log-target=journal --unit=basic.target
