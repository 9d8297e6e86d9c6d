#!/bin/sh
# Builds the Debian package of what is built: build.sh [FOLDER]; `npm run deb` builds that before.
#
# FOLDER (dist-deb) gets wanmark_VERSION-REVISION_ARCHITECTURE.deb. Node.js is Debian's own (docs/systemd.md says why).
# DEB_REVISION (1) is the revision, DEB_COMPRESSION (xz) what `dpkg-deb -Z` takes. DEBFULLNAME and
# DEBEMAIL are the maintainer, as with devscripts; SOURCE_DATE_EPOCH is the date of all files, the last commit's without it,
# so that the same sources make the same package.
set -eu
cd "$(dirname "$0")/../.."
here=packaging/debian
folder=${1:-dist-deb}

version=$(node -p 'require("./package.json").version.replace("-", "~")')-${DEB_REVISION:-1}
architecture=$(dpkg --print-architecture)
maintainer="${DEBFULLNAME:-wanmark} <${DEBEMAIL:-wanmark@example.org}>"
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || date +%s)}"
export SOURCE_DATE_EPOCH

mkdir -p "$folder"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022
root=$work/root
lib=$root/usr/lib/wanmark
doc=$root/usr/share/doc/wanmark
mkdir -p "$root/DEBIAN" "$root/usr/lib/systemd/system" "$root/usr/lib/sysusers.d"

sh packaging/install.sh "$root"
mv "$lib"/scripts/systemd/*.service "$root/usr/lib/systemd/system/"
mv "$lib/scripts/systemd/wanmark.sysusers.conf" "$root/usr/lib/sysusers.d/wanmark.conf"
mv "$lib/scripts/systemd/iptables-legacy.conf" "$doc/examples/"
rmdir "$lib/scripts/systemd"
# Nothing of these has to be copied any more.
sed -i '/^#   cp /d; /^#   systemctl daemon-reload/d' "$root"/usr/lib/systemd/system/*.service
install -D -m 644 packaging/wanmark.yaml "$root/etc/wanmark/wanmark.yaml"

# --- papers -----------------------------------------------------------------------
{
	printf 'wanmark (%s) unstable; urgency=medium\n\n' "$version"
	printf '  * Version %s of wanmark: /usr/share/doc/wanmark/changelog.gz says what changed.\n\n' "${version%-*}"
	printf ' -- %s  %s\n' "$maintainer" "$(date -u -R -d "@$SOURCE_DATE_EPOCH")"
} >"$doc/changelog.Debian"
cp CHANGELOG.md "$doc/changelog"
{
	printf 'wanmark, with the npm packages that are bundled with it.\n\n'
	cat LICENSE
	echo
	cat dist/licences.txt
} >"$doc/copyright"
rm "$lib/dist/licences.txt"
gzip -9n "$doc/changelog" "$doc/changelog.Debian" "$root"/usr/share/man/man*/*

# --- the package ------------------------------------------------------------------
cp $here/postinst $here/prerm $here/postrm "$root/DEBIAN/"
chmod 755 "$root"/DEBIAN/*
echo /etc/wanmark/wanmark.yaml >"$root/DEBIAN/conffiles"
# dpkg-shlibdeps names the packages of the libraries that the addon is linked to. It wants a debian/control to be there.
mkdir "$work/debian"
printf 'Source: wanmark\n\nPackage: wanmark\nArchitecture: any\n' >"$work/debian/control"
libraries=$(cd "$work" && dpkg-shlibdeps -O root/usr/lib/wanmark/build/Release/nfqueue.node 2>/dev/null |
	sed -n 's/^shlibs:Depends=//p')
[ -n "$libraries" ] || {
	echo "wanmark: dpkg-shlibdeps finds no libraries of the addon" >&2
	exit 1
}
sed -e "s|@VERSION@|$version|; s|@ARCHITECTURE@|$architecture|; s|@MAINTAINER@|$maintainer|" \
	-e "s|@LIBRARIES@|$libraries|; s|@SIZE@|$(du -sk --apparent-size "$root" | cut -f 1)|" $here/control >"$root/DEBIAN/control"
(cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
package=$folder/wanmark_${version}_$architecture.deb
find "$root" -newermt "@$SOURCE_DATE_EPOCH" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
dpkg-deb --root-owner-group -Z "${DEB_COMPRESSION:-xz}" --build "$root" "$package" >/dev/null
echo "$package"
