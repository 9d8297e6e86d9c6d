#!/bin/sh
# Balances what comes for web over servers.
# The kernel chooses.
#
# Printed by wanmark; needs iproute2 and iptables, but not wanmark. As root:
#
#   sh FILE [up]     sets everything up; run it again after a change of the settings below. The router must forward
#                    already: sysctl net.ipv4.ip_forward=1
#   sh FILE refresh  for hooks: brings it up to date when addresses, gateways or routes may have changed
#   sh FILE down     removes everything
#
# When a step fails, everything goes back to what it was. Exit codes: 0 done, 1 the machine refused, 2 wrong usage.
#
# Everything it makes can be recognised: chains called WANMARK, jumps with the comment wanmark, ip rules and routes of
# protocol 119. A connection's mark says which server it belongs to; bits outside the mask are left as they are.
set -eu
# A lock that others can read can be taken by them, and the state names programs that run as root.
umask 077
LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH

# --- settings --------------------------------------------------------------

web_address=192.0.2.2 # what clients of web ask
web_server1=10.0.0.2
web_server1_to=$web_server1:8080
web_server1_weight=2
web_server2=10.0.0.3
web_server2_to=$web_server2:8080
web_server2_weight=1
web_server3=10.0.0.4
web_server3_to=$web_server3:8080
web_server3_weight=1
iptables=iptables
state=/run/wanmark-script # what down needs to know

# --- what is wanted --------------------------------------------------------

# Our part of iptables' tables, as iptables-save prints it.
print_tables4() {
	cat <<-WANMARK
		*nat
		:WANMARK_NAT - [0:0]
		:WANMARK_SERVICE - [0:0]
		:WANMARK_POOL1 - [0:0]
		:WANMARK_TO1 - [0:0]
		:WANMARK_SNAT - [0:0]
		-A WANMARK_NAT -m conntrack --ctstate DNAT -m connmark ! --mark 0x0/0xff00 -j WANMARK_SNAT
		-A WANMARK_SERVICE -d $web_address -p tcp --dport 80 -g WANMARK_POOL1
		-A WANMARK_POOL1 -m mark ! --mark 0x0/0xff00 -j WANMARK_TO1
		-A WANMARK_POOL1 -j MARK --set-xmark 0x0/0xff00
		$pool1_4
		-A WANMARK_POOL1 -j WANMARK_TO1
		-A WANMARK_TO1 -j CONNMARK --save-mark --nfmask 0xff00 --ctmask 0xff00
		-A WANMARK_TO1 -p tcp -m mark --mark 0x100/0xff00 -j DNAT --to-destination $web_server1_to
		-A WANMARK_TO1 -p tcp -m mark --mark 0x200/0xff00 -j DNAT --to-destination $web_server2_to
		-A WANMARK_TO1 -p tcp -m mark --mark 0x300/0xff00 -j DNAT --to-destination $web_server3_to
		$(each "$network_of_web_server1_4" "-A WANMARK_SNAT -m connmark --mark 0x100/0xff00 -s @ -j MASQUERADE")
		-A WANMARK_SNAT -m connmark --mark 0x100/0xff00 ! -o lo -m addrtype --src-type LOCAL -j MASQUERADE
		$(each "$network_of_web_server2_4" "-A WANMARK_SNAT -m connmark --mark 0x200/0xff00 -s @ -j MASQUERADE")
		-A WANMARK_SNAT -m connmark --mark 0x200/0xff00 ! -o lo -m addrtype --src-type LOCAL -j MASQUERADE
		$(each "$network_of_web_server3_4" "-A WANMARK_SNAT -m connmark --mark 0x300/0xff00 -s @ -j MASQUERADE")
		-A WANMARK_SNAT -m connmark --mark 0x300/0xff00 ! -o lo -m addrtype --src-type LOCAL -j MASQUERADE
		-A POSTROUTING -m comment --comment wanmark -j WANMARK_NAT
		-A PREROUTING -m comment --comment wanmark -j WANMARK_SERVICE
		-A OUTPUT -m comment --comment wanmark -j WANMARK_SERVICE
		COMMIT
	WANMARK
}

look() {
	network_of_web_server1_4=$(network_to 4 "$web_server1")
	network_of_web_server2_4=$(network_to 4 "$web_server2")
	network_of_web_server3_4=$(network_to 4 "$web_server3")
	pool1_4=$(choose WANMARK_POOL1 0xff00 0x0 '' "1 0x100 $web_server1_weight" "1 0x200 $web_server2_weight" "1 0x300 $web_server3_weight")
	routes4='' rules4=''
	tables4=$(print_tables4)
}

# up: checks everything that can be checked before anything is changed.
up() {
	check_weights "$web_server1_weight" "$web_server2_weight" "$web_server3_weight"
	look
	test_tables "$iptables" "$tables4"
	old_routes4=$(routes_there 4)
	old_rules4=$(rules_there 4)
	old_tables4=$(ours "$iptables")
	undo=1 fresh=1
	[ ! -e "$state" ] || fresh=
	: >>"$state"
	note_tables "$iptables" "$tables4"
	put 4 "$iptables" "$routes4" "$rules4" "$tables4"
	undo=
}

refresh() {
	[ -e "$state" ] || { say "is not up; run '$0 up' first"; exit 1; }
	up
}

down() {
	_nothing='*filter
*mangle
*nat'
	put 4 "$iptables" '' '' "$_nothing"
	forget
}

# finish runs at every exit.
undo=''
finish() {
	_code=$?
	trap '' HUP INT TERM
	if [ -n "$undo" ]; then
		set +e
		say 'failed; everything goes back to what it was'
		put 4 "$iptables" "$old_routes4" "$old_rules4" "$old_tables4"
		[ -z "$fresh" ] || forget
	fi
	[ "$_code" = 0 ] || exit 1
}

# --- how it is found out and done ------------------------------------------

# network_to FAMILY ADDRESS: prints the network of the route to an address; the address itself for the default route.
network_to() {
	ip -N "-$1" route get fibmatch "$2" 2>/dev/null | awk -v address="$2" '
		NR == 1 && $1 ~ /^[0-9a-f]*[.:]/ { network = $1 }
		END { print network ? network : address }'
}

# each LIST RULE: prints the rule once for each word of the list, which replaces the @.
each() {
	for _one in $1; do printf '%s\n' "${2%%@*}$_one${2#*@}"; done
}

# choose CHAIN MASK UNDECIDED LAST_RESORT "TIER MARK WEIGHT [GATEWAY]"...: prints rules that give a packet whose mark is
# UNDECIDED one of the marks. The members stand in the order of their tiers. The choice is among those of the first tier
# in which one has a weight and a gateway.
choose() {
	_chain=$1 _mask=$2 _undecided=$3 _last=$4
	shift 4
	printf '%s\n' "$@" | awk -v chain="$_chain" -v mask="$_mask" -v undecided="$_undecided" -v last="$_last" '
		function rule(mark_of_it, words) {
			print "-A " chain " -m mark --mark " undecided "/" mask " " words "-j MARK --set-xmark " mark_of_it "/" mask
		}
		!tier || $1 == tier { if ($3 > 0 && $4 != "none") { tier = $1; mark[++count] = $2; weight[count] = $3; left += $3 } }
		END {
			# Rules are tried one after the other, so each sees only what those before it left, and its
			# share is of that: w / (what is left), not w / (all). The last one takes the rest. The kernel
			# compares 31 random bits (statistic_mt), and 11 digits are read and printed without loss.
			for (i = 1; i < count; i++) {
				steps = int(weight[i] / left * 2147483648 + .5)
				if (steps > 2147483647) steps = 2147483647
				if (steps < 1) steps = 1
				rule(mark[i], sprintf("-m statistic --mode random --probability %.11f ", steps / 2147483648))
				left -= weight[i]
			}
			if (count) rule(mark[count], "")
			if (!count && last != "") rule(last, "-m addrtype ! --src-type LOCAL ")
		}'
}

say() { printf 'wanmark: %s\n' "$*" >&2; }

misuse() {
	say "$*"
	trap - EXIT
	exit 2
}

# need PROGRAM...: checks for CAP_NET_ADMIN (bit 12 of a process's capabilities, capabilities(7)) and for the
# programs.
need() {
	_caps=$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)
	[ $((0x${_caps:-0} >> 12 & 1)) = 1 ] || { say 'needs CAP_NET_ADMIN; run it as root (sudo)'; exit 1; }
	for _program in "$@"; do
		command -v "$_program" >/dev/null || { say "$_program is not installed"; exit 1; }
	done
	case $(ip -V 2>&1) in *iproute2*) ;; *) say 'needs the ip of iproute2' && exit 1 ;; esac
}

check_weights() {
	for _weight in "$@"; do
		case $_weight in '' | *[!0-9]* | ??????*) misuse "weight '$_weight' must be a whole number from 0 to 65535" ;; esac
	done
}

# Only one run at a time, since two hooks may start it at once.
lock() {
	exec 9>>"$state.lock"
	chmod 600 "$state.lock"
	flock -n 9 || _said=$(flock -w 15 9 2>&1) || case $_said in
	# busybox's flock has no -w.
	*option*) for _try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do sleep 1 && flock -n 9 && return; done ;;
	*) false ;;
	esac || { say "another one holds $state.lock; wait for it to end"; exit 1; }
}

# saved PROGRAM: prints iptables' tables. What cannot be read must not be taken for empty, and a table that holds a rule
# which only nft can make is not shown at all, which is no failure (iptables-nft).
saved() {
	_saved=$("$1-save") || { say "$1-save failed, so nothing is changed"; return 1; }
	case $_saved in *' is incompatible, use '*)
		say "$1-save does not show a table with rules of another program; see 'nft list ruleset', and take them away first"
		return 1
		;;
	esac
	# What is cut off would be taken for a table from which somebody removed the rest.
	printf '%s\n' "$_saved" | awk '/^(\*|# Generated by )/ { open = 1 } /^COMMIT$/ { open = 0 } END { exit open }' ||
		{ say "$1-save does not print whole tables, so nothing is changed" && return 1; }
	printf '%s\n' "$_saved"
}

# ours PROGRAM: prints our part of iptables' tables: chains called WANMARK or WANMARK_*, their rules, and the jumps to
# them.
ours() {
	_all=$(saved "$1") || return 1
	printf '%s\n' "$_all" | grep -E -e '^(\*|COMMIT)' -e '^(:|-A )WANMARK(_[A-Z0-9]+|_(TO|BY)_[A-Za-z0-9._-]+)? ' \
		-e '^-A [A-Z]+ .*--comment "?wanmark"? -j WANMARK(_[A-Z0-9]+)?$' || :
}

# table_steps PROGRAM TABLES: prints what iptables-restore needs to replace our part of the tables with TABLES. Jumps
# go first into their chain, so that nobody's ACCEPT hides us, but last in nat POSTROUTING, where a special rule
# should win.
table_steps() {
	_there=$(ours "$1") || return 1
	printf '%s\n=\n%s\n' "$2" "$_there" | awk '
		/^=/ { old = 1 }
		/^\*/ { table = $0; if (!seen[table]++) tables[++count] = table }
		/^:/ && old { had[table] = had[table] " " $1 }
		/^:/ && !old { new[table, $1]; heads[table] = heads[table] $0 "\n" }
		$1 == "-A" && $2 ~ /^WANMARK/ && !old { rules[table] = rules[table] $0 "\n" }
		$1 == "-A" && $2 !~ /^WANMARK/ {
			if (old) unhook[table] = unhook[table] "-D" substr($0, 3) "\n"
			else if (table == "*nat" && $2 == "POSTROUTING") last[table] = last[table] $0 "\n"
			else { sub($2, $2 " 1"); first[table] = "-I" substr($0, 3) "\n" first[table] }
		}
		END {
			for (i = 1; i <= count; i++) {
				table = tables[i]
				empty = drop = ""
				chains = split(had[table], chain, " ")
				for (k = 1; k <= chains; k++) {
					if ((table, chain[k]) in new) continue
					empty = empty "-F " substr(chain[k], 2) "\n"
					drop = drop "-X " substr(chain[k], 2) "\n"
				}
				body = heads[table] unhook[table] empty rules[table] first[table] last[table] drop
				if (body != "") printf "%s\n%sCOMMIT\n", table, body
			}
		}'
}

# test_tables PROGRAM TABLES: lets iptables read the tables before anything is changed.
test_tables() {
	_steps=$(table_steps "$1" "$2") || return 1
	printf '%s\n' "$_steps" | "$1-restore" --test --wait=10 --noflush
}

# rules_there FAMILY: prints the ip rules that are ours, as this script writes them.
rules_there() {
	_shown=$(ip -N "-$1" rule show) || return 1
	printf '%s\n' "$_shown" | awk '
		!sub(/ proto 119$/, "") { next }
		{
			priority = $1 + 0
			sub(/^[0-9]*:[ \t]*/, "")
			sub(/^from all /, "")
			sub(/lookup 254/, "lookup main")
			gsub(/ \[detached\]/, "")
			sub(/ipproto ipproto-/, "ipproto ")
			if (!/lookup/) { sub(/ 6$/, " blackhole"); sub(/ 7$/, " unreachable"); sub(/ 8$/, " prohibit") }
			# Without a mask ip means all bits.
			if (/fwmark 0x[0-9a-f]* /) sub(/fwmark 0x[0-9a-f]*/, "&/0xffffffff")
			print "priority " priority " " $0
		}'
}

# routes_there FAMILY: prints the routes that are ours, without the words that only tell their state.
routes_there() {
	_shown=$(ip "-$1" route show table all protocol 119) || return 1
	printf '%s\n' "$_shown" | sed -e 's/ dead//' -e 's/ linkdown//'
}

# put FAMILY PROGRAM ROUTES RULES TABLES: replaces what is ours with these. What is needed comes first and leftovers
# go last: a mark leads somewhere before anything is marked, and NAT is there before anything is sent elsewhere.
put() {
	_old_rules=$(rules_there "$1") || return 1
	each_line "$3" '' ip "-$1" route replace protocol 119
	each_line "$4" "$_old_rules" ip "-$1" rule add protocol 119
	_steps=$(table_steps "$2" "$5") || return 1
	printf '%s\n' "$_steps" | "$2-restore" --wait=10 --noflush
	each_line "$_old_rules" "$4" ip "-$1" rule del protocol 119
	_tables=$(ip -N "-$1" route show table all protocol 119) || return 1
	for _table in $(printf '%s\n' "$_tables" | sed 's/.* table \([^ ]*\).*/\1/'); do
		case "$3 " in *" table $_table"[!0-9]*) ;; *) ip "-$1" route flush table "$_table" protocol 119 ;; esac
	done
}

# each_line LINES OTHERS COMMAND...: runs the command with the words of each line that is not in OTHERS.
each_line() {
	_others="
$2
"
	printf '%s\n' "$1" | {
		shift 2
		while read -r _line; do
			case $_others in *"
$_line
"*) continue ;; esac
			# shellcheck disable=SC2086 # words
			[ -z "$_line" ] || "$@" $_line
		done
	}
}

# note_tables PROGRAM TABLES: notes the tables that do not exist yet. iptables-nft creates and keeps them, so down
# removes them.
note_tables() {
	_there=$(saved "$1") || return 1
	for _table in $(printf '%s\n' "$2" | sed -n 's/^\*//p'); do
		printf '%s\n' "$_there" | grep -qFx "*$_table" || echo "$1 $_table" >>"$state"
	done
}

# forget: restores what the state file says, and removes the file.
forget() {
	[ -e "$state" ] || return 0
	while read -r _what _before; do
		case $_what in
		/proc/*) [ ! -e "$_what" ] || echo "$_before" >"$_what" ;;
		*) drop_table "$_what" "$_before" ;;
		esac
	done <"$state"
	rm -f "$state"
}

# drop_table PROGRAM TABLE: deletes an nft table unless others use it by now; a restore without --noflush does that.
drop_table() {
	if "$1-save" | awk -v table="*$2" '
		/^\*/ { inside = $0 == table; found = found || inside }
		inside && (/^-A/ || /^:[^ ]* (-|DROP)/) { used = 1 }
		END { exit !found || used }'; then
		printf '*%s\nCOMMIT\n' "$2" | "$1-restore"
	fi
}

# --- start -----------------------------------------------------------------

case $#:${1-up} in
[01]:up | 1:refresh | 1:down) ;;
*) misuse "usage: $0 up|refresh|down" ;;
esac
need ip awk flock "$iptables" "$iptables-save" "$iptables-restore"
trap finish EXIT
trap 'exit 1' HUP INT TERM
lock
"${1-up}"
