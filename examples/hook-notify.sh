#!/bin/sh
# Writes a line to the system's log for each change of a WAN:
#
#   wanmark run ... --hook /etc/wanmark/hook-notify.sh
#
#   wanmark: fibre (eth1) IPv4 disconnected: ping 1.1.1.1, 9.9.9.9: 3 of 3 rounds failed (timeout)
#
# ACTION, INTERFACE and DEVICE are the variables of mwan3's /etc/mwan3.user. Standard input has
# the same and more as JSON.
set -eu
case $ACTION in
connected) level=notice ;;
*) level=warning ;;
esac
exec logger -t wanmark -p "daemon.$level" \
	"$INTERFACE ($DEVICE) IPv$WANMARK_FAMILY $ACTION: $WANMARK_REASON"
