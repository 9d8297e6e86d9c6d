#!/bin/sh
# The first process of a virtual machine of `npm run test:kernels`, in its initial file system.
#
# Mounts the Debian system and the checkout that the host shares, each read-only with a layer in memory above it, and goes
# on there with guest.sh.
set -eu
# This file system has busybox alone, and no links to it yet.
/bin/busybox mkdir -p /proc /dev /layers /checkout /root
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
trap 'echo "wanmark: the virtual machine does not start"; reboot -f' EXIT
while read -r module; do insmod "$module"; done </modules/order

# layered TAG TARGET: what the host shares as TAG, to be written to in memory.
layered() {
	mkdir -p "/layers/$1"
	mount -t tmpfs -o mode=755,size=80% layer "/layers/$1"
	mkdir "/layers/$1/below" "/layers/$1/above" "/layers/$1/work"
	# The host changes nothing meanwhile.
	mount -t 9p -o ro,trans=virtio,version=9p2000.L,cache=loose,msize=512000 "$1" "/layers/$1/below"
	mkdir -p "$2"
	mount -t overlay -o "lowerdir=/layers/$1/below,upperdir=/layers/$1/above,workdir=/layers/$1/work" overlay "$2"
}

layered system /root
CHECKOUT=$(cat /checkout-path)
layered checkout "/root$CHECKOUT"
mkdir -p /root/results
mount -t 9p -o trans=virtio,version=9p2000.L,cache=none,msize=512000 results /root/results
mount -t devtmpfs dev /root/dev
mount -t proc proc /root/proc
mount -t sysfs sys /root/sys
trap - EXIT
exec switch_root /root /bin/sh "$CHECKOUT/test/kernels/guest.sh" "$CHECKOUT"
