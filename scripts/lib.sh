# shellcheck shell=sh disable=SC2034,SC2086 # used by the other files; words on purpose
# What all wanmark scripts share: messages, running commands, the lock, the state
# directory and the transaction. Sourced, never run.
#
# No `set -e`: it is off inside every condition, so a function would mean one thing
# when it is tested and another when it is not. Failures are handled where they happen.
# `set -f` because values are split into words on purpose and must never be globbed.
set -fu
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH

# The number that marks every ip rule and route as ours (rtnetlink's rtm_protocol;
# iproute2 names none from 100 to 185).
PROTOCOL=119
NEWLINE='
'

say() { printf 'wanmark: %s\n' "$*" >&2; }

# die TEXT: the system is not as needed (exit 1). misuse TEXT: the caller erred (exit 2).
die() {
	say "$*"
	exit 1
}

misuse() {
	say "$*"
	exit 2
}

# one_line: the first line of a program's complaint, for an error of ours.
one_line() { sed -n '/./{p;q;}'; }

# cmd COMMAND...: shows it and runs it; a failure is one line and ends the script.
cmd() {
	printf '# %s\n' "$*" >&2
	_said=$("$@" 2>&1) || die "'$*' failed: $(printf '%s\n' "$_said" | one_line)"
}

# put VALUE FILE: cmd for a write below /proc/sys.
put() {
	printf '# echo %s > %s\n' "$1" "$2" >&2
	(printf '%s\n' "$1" >"$2") 2>/dev/null || die "cannot write $2; is /proc/sys writable?"
}

# need PROGRAM PACKAGE
need() {
	command -v "$1" >/dev/null 2>&1 || die "$1 is not installed; apt-get install $2"
}

is_number() {
	case $1 in
	'' | *[!0-9]* | 0?* | ??????????*) return 1 ;;
	esac
}

# words TEXT: in WORDS, with a blank for commas, tabs and line ends.
words() {
	_ifs=$IFS IFS=", 	$NEWLINE"
	set -- $1
	IFS=' '
	WORDS=$* IFS=$_ifs
}

# records TEXT: in RECORDS, its lines with ; between them.
records() {
	_ifs=$IFS IFS=$NEWLINE
	set -- $1
	IFS=';'
	RECORDS=$* IFS=$_ifs
}

# setting NAME VALUE LOW HIGH: an environment variable that is a number in a range.
setting() {
	{ is_number "$2" && [ "$2" -ge "$3" ] && [ "$2" -le "$4" ]; } ||
		misuse "$1 is '$2'; it must be a number from $3 to $4"
}

# CAP_NET_ADMIN is bit 12 of the effective set, capabilities(7). The user id says
# nothing: a service may have the capability without root, a container root without it.
need_privilege() {
	_caps=$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)
	[ $((0x${_caps:-0} >> 12 & 1)) = 1 ] || die "needs CAP_NET_ADMIN; run it as root (sudo)"
}

# --- lock and state ---------------------------------------------------------

# Below WANMARK_RUN: `lock`; `work` for one run; and `state`, which lives from up to down:
#   sysctl           "DEVICE VALUE" before we changed src_valid_mark, written before the change
#   absent           "PROGRAM TABLE" of tables that did not exist before up
#   PROGRAM.TABLE.want / .have    what was asked for, and what the kernel made of it
#   rules4.have routes4.have ...  the ip rules and routes that there were in the end
#   variant          nft or legacy: the iptables that the rules are in
#   settings         the environment of the last up, for a refresh that is given none
#   out              "NAME/FAMILY" of the WANs that cannot be used, as the last refresh saw them
#   links            "DEVICE INDEX" of their devices
#   up               there is one
lock() {
	need flock util-linux
	mkdir -p "$WANMARK_RUN" 2>/dev/null || die "cannot create $WANMARK_RUN; set WANMARK_RUN to a directory"
	# A redirection that fails in `exec` ends a shell at once, so it is tried first. Whoever can open the file can take
	# the lock (flock(2)), so it is for its owner alone, also where it is there already with another mode.
	(umask 077 && : >>"$WANMARK_RUN/lock" && chmod 600 "$WANMARK_RUN/lock") 2>/dev/null ||
		die "cannot write $WANMARK_RUN/lock; set WANMARK_RUN to a directory"
	exec 9>"$WANMARK_RUN/lock"
	flock -w "${WANMARK_LOCK_SECONDS:-15}" 9 ||
		die "another wanmark script holds $WANMARK_RUN/lock; wait for it to end"
	STATE=$WANMARK_RUN/state WORK=$WANMARK_RUN/work
	rm -rf "$WORK"
	[ -d "$STATE" ] || FRESH=1
	mkdir -p "$STATE" "$WORK" || die "cannot write below $WANMARK_RUN"
}

# keep FILE: standard input replaces FILE at once; a crash leaves the old or the new one.
keep() { cat >"$1.new" && mv "$1.new" "$1"; }

# --- transaction ------------------------------------------------------------

# A part (routes, nat, rules) is functions PART_VERB:
#   print    the commands of a first `up`, as shell text
#   unprint  those that undo it, without a state
#   check    programs, kernel, anything that can be known before something is changed
#   remember what there is now, for a rollback
#   report   say what has gone since the last `up` or `refresh`, by somebody else's doing
#   apply    make it what the environment asks; only what differs is touched
#   settle   what may only go once the new is in force, then note the state
#   restore  back to what `remember` saw
#   remove   take away all that is ours
for_parts() {
	_verb=$1
	shift
	for _part in "$@"; do "${_part}_$_verb"; done
}

# Runs at every exit. Each restore is in a subshell, so that one that fails (and
# exits) does not keep the others from being done.
finish() {
	_code=$?
	trap '' HUP INT TERM
	if [ -n "${UNDO-}" ]; then
		UNDO=
		say 'failed; going back to what was before'
		for _part in $REVERSED; do
			("${_part}_restore") || say "could not restore the $_part; run '$0 down'"
		done
	fi
	# A first up that failed: there was nothing, so there is nothing to remember.
	[ -z "${FRESH-}" ] || rm -rf "$STATE"
	[ -z "${WORK-}" ] || rm -rf "$WORK"
	exit "$_code"
}

# begin: from here on there is something to clean up.
begin() {
	lock
	trap finish EXIT
	trap 'exit 1' HUP INT TERM
}

up() {
	SOFT=
	read_settings
	need_privilege
	for_parts check $PARTS
	begin
	install_parts
}

refresh() {
	take_up
	install_parts
}

# take_up: goes on from the last up. The lock comes first: who ran before us may have changed what
# is to be recalled. With SOFT a WAN that cannot be used now is left out with a word.
take_up() {
	SOFT=soft
	read_run
	need_privilege
	begin
	[ -e "$STATE/up" ] || die "is not up; run 'up' first"
	recall_settings
	read_settings
	for_parts check $PARTS
}

install_parts() {
	CHANGED='' MISSING=''
	find_uplinks
	for_parts remember $PARTS
	[ ! -e "$STATE/up" ] || for_parts report $REVERSED
	# By the very look that the changes are made from: after a look of its own, what goes in between would be put back.
	if [ -n "$SOFT" ] && [ "$WANMARK_REPAIR" = 0 ] && [ -n "$MISSING" ]; then exit 1; fi
	UNDO=1
	for_parts apply $PARTS
	for_parts settle $REVERSED
	note_settings
	: >"$STATE/up"
	UNDO='' FRESH=''
	[ -n "$CHANGED$SOFT" ] || say 'already up; nothing to change'
}

# missing TEXT: what a report finds.
missing() {
	MISSING=1
	say "missing: $*"
}

# check: says what `refresh` would put back; changes nothing.
check() {
	take_up
	MISSING=
	find_uplinks
	for_parts remember $PARTS
	for_parts report $REVERSED
	[ -z "$MISSING" ] || exit 1
}

down() {
	read_run
	need_privilege
	need ip iproute2
	begin
	_failed='' FRESH=''
	rm -f "$STATE/up"
	for _part in $REVERSED; do
		("${_part}_remove") || _failed=1
	done
	[ -z "$_failed" ] || exit 1
	if [ "$PARTS" = "$ALL_PARTS" ]; then rm -rf "$STATE"; fi
}

print() {
	SOFT=
	read_settings
	find_uplinks print
	cat <<-'WANMARK'
		#!/bin/sh
		# What `wanmark up` runs on a machine where it is not up yet; needs iproute2 and iptables,
		# not wanmark. Run it as root:
		#   sh FILE        all of it. The router has to forward already: sysctl net.ipv4.ip_forward=1
		#   sh FILE down   takes it away again (`wanmark down` would, too, but for src_valid_mark)
		set -e
		if [ "${1-}" != down ]; then
	WANMARK
	for_parts print $PARTS
	printf '\nexit\nfi\n'
	for_parts unprint $REVERSED
}

ALL_PARTS='routes nat rules forward'

# main PART... VERB is the end of every script.
main() {
	PARTS=$1 REVERSED=
	shift
	for _part in $PARTS; do REVERSED="$_part $REVERSED"; done
	[ $# -eq 1 ] || misuse "usage: $0 up|down|refresh|check|print"
	case $1 in
	up) up ;;
	refresh) refresh ;;
	check) check ;;
	down) down ;;
	print) print ;;
	*) misuse "unknown verb '$1'; usage: $0 up|down|refresh|check|print" ;;
	esac
}
