#!/bin/sh
# Runs a command where Debian packages are installed: within-packages.sh PACKAGES STATE COMMAND [ARGUMENT...]
#
# PACKAGES has what dpkg -x made of them, STATE is a folder that keeps what the command writes to /usr, /etc and /var. The
# machine itself gets neither, so a firewall that Debian would start at once, and at every boot, can be tried on anybody's.
# To be run in a mount namespace of its own.
set -eu
packages=$1 state=$2
shift 2
for top in usr etc var; do
	mkdir -p "$state/$top" "$state/.$top"
	mount -t overlay wanmark -o "lowerdir=$packages/$top:/$top,upperdir=$state/$top,workdir=$state/.$top" "/$top"
done
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec "$@"
