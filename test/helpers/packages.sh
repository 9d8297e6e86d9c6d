#!/bin/sh
# Unpacks the programs that tests try beside wanmark, without installing them: packages.sh FOLDER
#
# A firewall's package starts it at once and at every boot, as do those of routing daemons, network managers and Prometheus,
# which nobody wants of a test on his machine, a browser is large, and shells would be for nothing else. Their programs run in a mount namespace that sees FOLDER above the machine's own
# files (within-packages.sh).
set -eu
folder=$1
PACKAGES='ufw firewalld python3-firewall python3-nftables gir1.2-glib-2.0 shorewall shorewall-core
keepalived bird2 udhcpc isc-dhcp-client dhcpcd-base dnsmasq-base network-manager wireguard-tools wireguard-go
prometheus chromium-headless-shell fonts-dejavu-core mandoc zsh fish'
[ "$(cat "$folder/ready" 2>/dev/null)" != "$PACKAGES" ] || exit 0
rm -rf "$folder"
mkdir -p "$folder/debs"
cd "$folder/debs"

# download: fetches the packages, and what they need and the machine lacks.
download() {
	# A line of what is there in another version has that version in brackets.
	# shellcheck disable=SC2086 # a list of package names
	needed=$(apt-get -qq install -s --no-install-recommends $PACKAGES | awk '$1 == "Inst" && $3 !~ /^\[/ { print $2 }')
	# shellcheck disable=SC2086
	apt-get -qq download $PACKAGES $needed
}
download 2>/dev/null || { apt-get -qq update && download; } >&2
for file in *.deb; do dpkg -x "$file" ..; done
cd ..
# Debian's /lib and /sbin are links to those in /usr.
for top in bin lib sbin; do
	[ ! -d $top ] || { cp -a $top/. usr/$top/ && rm -r $top; }
done
# What ufw's installation would copy.
cp usr/share/ufw/*.rules usr/share/ufw/*.conf usr/share/ufw/*.init etc/ufw/
rm -r debs
printf '%s\n' "$PACKAGES" >ready
