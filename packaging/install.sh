#!/bin/sh
# Puts what is built where a distribution has it: install.sh ROOT [FILE-OF-CONFIGURATION]
#
# Below ROOT: /usr/lib/wanmark with the program and the addon, /usr/bin/wanmark, manual pages, completions, documents and
# examples. FILE-OF-CONFIGURATION (/etc/wanmark/wanmark.yaml) is what help and documents then say instead of /etc/wanmark.yaml.
# Units and other starters are the distribution's, and lie in /usr/lib/wanmark/scripts/systemd until it takes them from there.
set -eu
cd "$(dirname "$0")/.."
root=$1
configuration=${2:-/etc/wanmark/wanmark.yaml}
lib=$root/usr/lib/wanmark
doc=$root/usr/share/doc/wanmark
umask 022
mkdir -p "$lib/build/Release" "$doc" "$root/usr/bin"

cp -R dist scripts package.json "$lib/"
# Scripts of a clone, which build, test or install; and what only a program that embeds wanmark or a debugger reads.
(cd "$lib/scripts" && rm -f bundle.js dev.sh fuzz.sh lint.sh setup.sh test.sh)
find "$lib/dist" \( -name '*.map' -o -name '*.d.ts' -o -name '.*' \) -type f -delete
cp build/Release/nfqueue.node "$lib/build/Release/"
strip --strip-unneeded "$lib/build/Release/nfqueue.node"

ln -s ../lib/wanmark/dist/cli/main.js "$root/usr/bin/wanmark"
for section in 5 8; do
	mkdir -p "$root/usr/share/man/man$section"
	cp man/*."$section" "$root/usr/share/man/man$section/"
done
mkdir -p "$root/usr/share/bash-completion/completions" "$root/usr/share/zsh/vendor-completions" \
	"$root/usr/share/fish/vendor_completions.d"
node dist/cli/main.js completion bash >"$root/usr/share/bash-completion/completions/wanmark"
node dist/cli/main.js completion zsh >"$root/usr/share/zsh/vendor-completions/_wanmark"
node dist/cli/main.js completion fish >"$root/usr/share/fish/vendor_completions.d/wanmark.fish"
cp -R docs examples README.md CONTRIBUTING.md "$doc/"
grep -rlE '/etc/wanmark\.yaml' "$root" | while read -r file; do
	sed -i "s|/etc/wanmark\.yaml|$configuration|g" "$file"
done

find "$root" -type d -exec chmod 755 {} +
find "$root" -type f -exec chmod 644 {} +
chmod 755 "$lib/dist/cli/main.js" "$lib"/scripts/*.sh "$doc"/examples/*.sh
