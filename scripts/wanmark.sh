#!/bin/sh
# wanmark.sh up|down|refresh|check [FOLDER] - makes this machine what a plan says, as one transaction.
#
#   up       carries out the plan in FOLDER; undoes everything when a step fails
#   refresh  does the same, but only where `up` was run before
#   check    says what is missing of the last `up` or `refresh`; changes nothing
#   down     removes everything that is ours; needs no FOLDER; safe to repeat, also after a crash of `up`
#
# This script knows nothing of WANs or policies. `wanmark up` makes the folder and reads the answers; the script can also
# be run by hand on such a folder. (A router without Node runs the output of `wanmark print` instead.) The folder holds
#
#   programs   four lines: the iptables of IPv4 and of IPv6, their variant, nft or legacy, and who has the rules, iptables
#              or nft
#   want/      the whole state: 4.mangle, 4.nat, 4.filter, 6.mangle ... as iptables-save prints our part of a table; or nft,
#              all of our nft table (nft.sh); rules4, routes6 ... in the words of `ip rule` and `ip route`; settings: DEVICE
#              KEY VALUE
#   keep/      files that belong to this state, to be kept beside it until the next `up` or `down`
#   have/      the present state in the same form, written by this script before it prints {"event":"looked"}
#   steps/     the difference: 4.tables (iptables-restore), nft (nft -f), 4.add and 4.drop (ip -batch). With --ask the caller writes
#              them and then sends the line `go`, or `stop`, on standard input; without --ask this script makes the
#              steps itself, and they replace whole tables
#
# It prints events to standard output, one JSON object a line: `missing`, `looked`, `ran`, `failed`, `undoing`, `left`
# (an undo failed), `undone`, `finished`.
# Exit codes: 0 done, 1 the machine refused (and nothing is left changed), 2 wrong usage.
#
# WANMARK_RUN (/run/wanmark) is where the lock and the state are, with a folder in it for each further network namespace; IPTABLES and IP6TABLES name the programs for `down`.
case $0 in */*) HERE=${0%/*} ;; *) HERE=. ;; esac
. "$HERE/lib.sh"
. "$HERE/namespace.sh"
. "$HERE/tables.sh"
. "$HERE/nft.sh"
. "$HERE/routing.sh"

USAGE="usage: $0 up|refresh|check FOLDER [--ask], or $0 down"

# look DIR: writes to DIR what this machine has of ours.
look() {
	mkdir -p "$1" || fail "cannot write $1"
	for _family in 4 6; do look_tables $_family "$1"; done
	look_nft "$1"
	look_routing "$1"
}

# apply STEPS HAVE: carries out the steps in an order in which nothing that is needed is missing in between: a mark
# leads somewhere before anything is marked, and NAT is there before anything is sent elsewhere. Where nft takes over from
# iptables, or the other way round, the new rules are there before the old ones go; what one of them has marked, the other
# lets pass.
apply() {
	for _family in 4 6; do add_routing $_family "$1"; done
	! uses_nft || apply_nft "$1"
	for _family in 4 6; do restore_tables $_family "$1" "$2"; done
	uses_nft || apply_nft "$1"
	for _family in 4 6; do drop_routing $_family "$1"; done
}

# steps_between NOW THEN STEPS STAGES: writes the steps from one state to another, which replace whole tables.
steps_between() {
	rm -rf "$3"
	mkdir -p "$3" || fail "cannot write $3"
	for _family in 4 6; do
		replace_tables $_family "$@"
		routing_steps $_family "$@"
	done
	replace_nft "$@"
}

# install: the transaction. An undo goes back to what `look` saw.
install() {
	look "$FOLDER/have"
	report_missing "$FOLDER/have"
	say_event looked
	if [ -n "$ASK" ]; then
		read -r _answer || _answer=stop
		[ "$_answer" = go ] || exit 0
	else
		steps_between "$FOLDER/have" "$FOLDER/want" "$FOLDER/steps" 'nat mangle filter'
	fi
	for _family in 4 6; do test_tables $_family "$FOLDER/steps"; done
	test_nft "$FOLDER/steps"
	reserve "$FOLDER/have"
	UNDO=1
	put_settings "$FOLDER/want/settings"
	apply "$FOLDER/steps" "$FOLDER/have"
	settle
	settings_as_before "$FOLDER/want/settings"
	: >"$STATE/up" || fail "cannot write $STATE/up; is the file system full?"
	UNDO='' FRESH=''
	register
	say_event finished
}

# settle: notes how the kernel prints our rules, for later looks to be compared with.
settle() {
	mkdir -p "$STATE/want" "$STATE/have" || fail "cannot write $STATE"
	if [ -s "$FOLDER/steps/4.tables" ] || [ -s "$FOLDER/steps/6.tables" ]; then settle_tables; fi
	settle_nft
	settle_routing
	set +f # the one pattern
	set -- "$FOLDER"/keep/*
	set -f
	[ ! -e "$1" ] || run_quietly mv -f "$@" "$STATE/"
}

# undo: goes back to the state at the beginning of the transaction, whatever the present state is.
undo() {
	UNDO=
	release
	say_event undoing
	look "$WORK/now"
	steps_between "$WORK/now" "$FOLDER/have" "$WORK/back" 'filter mangle nat'
	(apply "$WORK/back" "$WORK/now") || say_event left "\"what\":\"rules\""
	(restore_settings) || say_event left "\"what\":\"settings\""
	for _family in 4 6; do (unmake_tables $_family "$FOLDER/have") || :; done
	say_event undone
}

up() {
	begin
	remember_settings
	install
}

refresh() {
	begin
	[ -e "$STATE/up" ] || fail "is not up; run 'up' first"
	remember_settings
	install
}

check() {
	begin
	[ -e "$STATE/up" ] || fail "is not up; run 'up' first"
	look "$FOLDER/have"
	report_missing "$FOLDER/have"
	say_event looked
	[ -z "$MISSING" ] || exit 1
}

# drop_sets: removes the sets that only our rules asked. `wanmark` fills and removes them without a program; this is
# for whoever runs this script by hand, and a set that stays does nothing.
drop_sets() {
	command -v ipset >/dev/null 2>&1 || return 0
	for _set in $(ipset list -n 2>/dev/null | grep '^WANMARK_'); do ipset destroy "$_set" 2>/dev/null || :; done
}

# down: removes every part, even if another part cannot be removed.
down() {
	begin
	# Without a state there is hardly anything to remove, which the little that is left may be enough for.
	[ -n "$FRESH" ] || reserve "$STATE"
	release
	FRESH='' _failed=''
	rm -f "$STATE/up" || fail "cannot write $STATE"
	(remove_nft) || _failed=1
	(remove_tables) || _failed=1
	drop_sets
	if mkdir -p "$WORK/none" && (look_routing "$WORK"); then
		for _family in 4 6; do
			(routing_steps $_family "$WORK" "$WORK/none" "$WORK" && drop_routing $_family "$WORK") || _failed=1
		done
	else
		_failed=1
	fi
	(settings_as_before /dev/null) || _failed=1
	[ -z "$_failed" ] || exit 1
	rm -rf "$STATE"
	unregister
	say_event finished
}

VERB=${1-} FOLDER=${2-} ASK=
case $VERB:${3-} in
up:--ask | refresh:--ask) ASK=1 ;;
*:?*) misuse "$USAGE" ;;
esac
case $VERB:$# in
down:1 | up:[23] | refresh:[23] | check:2) ;;
*) misuse "$USAGE" ;;
esac
if [ "$VERB" != down ]; then
	{ [ -d "$FOLDER/want" ] && [ -r "$FOLDER/programs" ]; } || misuse "'$FOLDER' does not hold a plan; $USAGE"
fi
need_privilege
need_iproute2
read_programs
"$VERB"
