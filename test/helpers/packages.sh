#!/bin/sh
# Unpacks the firewalls that tests try, without installing them: packages.sh FOLDER
#
# A firewall's package starts it at once and at every boot, which nobody wants of a test on his machine. Their programs run
# in a mount namespace that sees FOLDER above the machine's own files (within-packages.sh).
set -eu
folder=$1
PACKAGES='ufw firewalld python3-firewall python3-nftables gir1.2-glib-2.0 shorewall shorewall-core'
[ ! -e "$folder/ready" ] || exit 0
rm -rf "$folder"
mkdir -p "$folder/debs"
cd "$folder/debs"
# shellcheck disable=SC2086 # a list of package names
apt-get -qq download $PACKAGES 2>/dev/null || { apt-get -qq update && apt-get -qq download $PACKAGES; } >&2
for file in *.deb; do dpkg -x "$file" ..; done
cd ..
# Debian's /lib and /sbin are links to those in /usr.
for top in lib sbin; do
	[ ! -d $top ] || { cp -a $top/. usr/$top/ && rm -r $top; }
done
# What ufw's installation would copy.
cp usr/share/ufw/*.rules usr/share/ufw/*.conf usr/share/ufw/*.init etc/ufw/
rm -r debs
touch ready
