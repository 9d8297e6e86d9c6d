#!/bin/sh
# Runs the tests: test.sh [NAME...]
#
# Without a name: the native core under ASan and UBSan, then every test file. A name picks the files whose path
# contains it (`npm test -- unit`, `npm test -- netns/queue`). Set-up comes first (setup.sh test). A file that ends in
# `-stock` needs a distribution's kernel, so it runs only where it is named in full, and in `npm run test:kernels`.
# WANMARK_TEST_STRICT=1 turns skips, which name what the machine lacks, into failures.
set -eu
cd "$(dirname "$0")/.."

[ $# -gt 0 ] || sh test/native/build.sh

files=
for file in $(find dist-test -name '*.test.js' | sort); do
	[ -e "test/${file#dist-test/}" ] || [ -e "test/$(expr "$file" : 'dist-test/\(.*\)\.js').ts" ] || continue
	for name in "${@:-}"; do
		case $file in *-stock.test.js) case $name in *-stock) ;; *) continue ;; esac ;; esac
		case $file in *"$name"*) files="$files $file" ;; esac
	done
done
if [ -z "$files" ]; then
	echo "wanmark: no test file matches $*" >&2
	exit 2
fi
# shellcheck disable=SC2086 # a list of paths without spaces
exec node --enable-source-maps --test --test-concurrency=2 --test-reporter=./dist-test/reporter.js $files
