#!/bin/sh
# rp-filter.sh 0|1|2 - sets rp_filter on every IPv4 device: 0 off, 1 strict, 2 loose.
#
# Strict rp_filter drops a packet that comes in by another device than the way back would use:
# with several WANs, the replies on all WANs but one. The usual remedy is to switch the filter
# off or to loosen it everywhere. The better one is src_valid_mark=1 on the WANs, which
# `wanmark.sh up` sets: the kernel then looks up the way back with the packet's mark, and strict
# filtering keeps working. The kernel uses the larger of the values of `all` and the device
# (ip-sysctl.txt), so this script sets all of them, and `default` for devices to come.
LC_ALL=C
export LC_ALL
CONF=/proc/sys/net/ipv4/conf

case $#:${1-} in
1:[012]) ;;
*)
	echo "wanmark: usage: $0 0|1|2 (off, strict, loose)" >&2
	exit 2
	;;
esac

for file in "$CONF"/*/rp_filter; do
	# `cat` and not `read`: a shell reads byte by byte, and /proc/sys answers a second read with nothing.
	old=$(cat "$file") || exit 1
	[ "$old" != "$1" ] || continue
	dev=${file#"$CONF"/}
	(printf '%s\n' "$1" >"$file") 2>/dev/null || {
		echo "wanmark: cannot write $file; run it as root (sudo)" >&2
		exit 1
	}
	printf '%s: %s -> %s\n' "${dev%/rp_filter}" "$old" "$1"
done
