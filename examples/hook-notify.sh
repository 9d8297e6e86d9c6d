#!/bin/sh
# A line in the system's log for each change of a WAN:
#
#   wanmark run ... --hook /etc/wanmark/hook-notify.sh
#
#   wanmark: fibre (eth1) IPv4 disconnected: ping 1.1.1.1, 9.9.9.9: 3 of 3 rounds failed (timeout)
#
# ACTION, INTERFACE and DEVICE are those of mwan3's /etc/mwan3.user. The same and more can be
# read as JSON from the standard input.
set -eu
case $ACTION in
connected) level=notice ;;
*) level=warning ;;
esac
exec logger -t wanmark -p "daemon.$level" \
	"$INTERFACE ($DEVICE) IPv$WANMARK_FAMILY $ACTION: $WANMARK_REASON"
