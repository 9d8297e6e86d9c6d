import { PROTOCOL } from '../ip.js';
import { NFT_TABLE, RESTORE, ROUTING } from './nft-changing.js';

/** The shell functions by which a printed script changes the machine, word for word. */

const SAY = `say() { printf 'wanmark: %s\\n' "$*" >&2; }

misuse() {
	say "$*"
	trap - EXIT
	exit 2
}`;

const NEED = `# need PROGRAM...: checks for CAP_NET_ADMIN (bit 12 of a process's capabilities, capabilities(7)) and for the
# programs.
need() {
	_caps=$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)
	[ $((0x\${_caps:-0} >> 12 & 1)) = 1 ] || { say 'needs CAP_NET_ADMIN; run it as root (sudo)'; exit 1; }
	for _program in "$@"; do
		command -v "$_program" >/dev/null || { say "$_program is not installed"; exit 1; }
	done
	case $(ip -V 2>&1) in *iproute2*) ;; *) say 'needs the ip of iproute2' && exit 1 ;; esac
}`;

const CHECK_WEIGHTS = `check_weights() {
	for _weight in "$@"; do
		case $_weight in '' | *[!0-9]* | ??????*) misuse "weight '$_weight' must be a whole number from 0 to 65535" ;; esac
	done
}`;

const LOCK = `# Only one run at a time, since two hooks may start it at once.
lock() {
	exec 9>>"$state.lock"
	chmod 600 "$state.lock"
	flock -n 9 || _said=$(flock -w 15 9 2>&1) || case $_said in
	# busybox's flock has no -w.
	*option*) for _try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do sleep 1 && flock -n 9 && return; done ;;
	*) false ;;
	esac || { say "another one holds $state.lock; wait for it to end"; exit 1; }
}`;

const SAVED = `# saved PROGRAM: prints iptables' tables. What cannot be read must not be taken for empty, and a table that holds a rule
# which only nft can make is not shown at all, which is no failure (iptables-nft).
saved() {
	_saved=$("$1-save") || { say "$1-save failed, so nothing is changed"; return 1; }
	case $_saved in *' is incompatible, use '*)
		say "$1-save does not show a table with rules of another program; see 'nft list ruleset', and take them away first"
		return 1
		;;
	esac
	printf '%s\\n' "$_saved"
}`;

const OURS = `# ours PROGRAM: prints our part of iptables' tables: chains called WANMARK or WANMARK_*, their rules, and the jumps to
# them.
ours() {
	_all=$(saved "$1") || return 1
	printf '%s\\n' "$_all" | grep -E -e '^(\\*|COMMIT)' -e '^(:|-A )WANMARK(_[A-Z0-9]+|_(TO|BY)_[A-Za-z0-9._-]+)? ' \\
		-e '^-A [A-Z]+ .*--comment "?wanmark"? -j WANMARK(_[A-Z0-9]+)?$' || :
}`;

const TABLE_STEPS = `# table_steps PROGRAM TABLES: prints what iptables-restore needs to replace our part of the tables with TABLES. Jumps
# go first into their chain, so that nobody's ACCEPT hides us, but last in nat POSTROUTING, where a special rule
# should win.
table_steps() {
	_there=$(ours "$1") || return 1
	printf '%s\\n=\\n%s\\n' "$2" "$_there" | awk '
		/^=/ { old = 1 }
		/^\\*/ { table = $0; if (!seen[table]++) tables[++count] = table }
		/^:/ && old { had[table] = had[table] " " $1 }
		/^:/ && !old { new[table, $1]; heads[table] = heads[table] $0 "\\n" }
		$1 == "-A" && $2 ~ /^WANMARK/ && !old { rules[table] = rules[table] $0 "\\n" }
		$1 == "-A" && $2 !~ /^WANMARK/ {
			if (old) unhook[table] = unhook[table] "-D" substr($0, 3) "\\n"
			else if (table == "*nat" && $2 == "POSTROUTING") last[table] = last[table] $0 "\\n"
			else { sub($2, $2 " 1"); first[table] = "-I" substr($0, 3) "\\n" first[table] }
		}
		END {
			for (i = 1; i <= count; i++) {
				table = tables[i]
				empty = drop = ""
				chains = split(had[table], chain, " ")
				for (k = 1; k <= chains; k++) {
					if ((table, chain[k]) in new) continue
					empty = empty "-F " substr(chain[k], 2) "\\n"
					drop = drop "-X " substr(chain[k], 2) "\\n"
				}
				body = heads[table] unhook[table] empty rules[table] first[table] last[table] drop
				if (body != "") printf "%s\\n%sCOMMIT\\n", table, body
			}
		}'
}`;

const RULES_THERE = `# rules_there FAMILY: prints the ip rules that are ours, as this script writes them.
rules_there() {
	_shown=$(ip -N "-$1" rule show) || return 1
	printf '%s\\n' "$_shown" | awk '
		!sub(/ proto ${PROTOCOL}$/, "") { next }
		{
			priority = $1 + 0
			sub(/^[0-9]*:[ \\t]*/, "")
			sub(/^from all /, "")
			sub(/lookup 254/, "lookup main")
			gsub(/ \\[detached\\]/, "")
			sub(/ipproto ipproto-/, "ipproto ")
			if (!/lookup/) { sub(/ 6$/, " blackhole"); sub(/ 7$/, " unreachable"); sub(/ 8$/, " prohibit") }
			# Without a mask ip means all bits.
			if (/fwmark 0x[0-9a-f]* /) sub(/fwmark 0x[0-9a-f]*/, "&/0xffffffff")
			print "priority " priority " " $0
		}'
}`;

const ROUTES_THERE = `# routes_there FAMILY: prints the routes that are ours, without the words that only tell their state.
routes_there() {
	_shown=$(ip "-$1" route show table all protocol ${PROTOCOL}) || return 1
	printf '%s\\n' "$_shown" | sed -e 's/ dead//' -e 's/ linkdown//'
}`;

const PUT = `# put FAMILY PROGRAM ROUTES RULES TABLES: replaces what is ours with these. What is needed comes first and leftovers
# go last: a mark leads somewhere before anything is marked, and NAT is there before anything is sent elsewhere.
put() {
	_old_rules=$(rules_there "$1") || return 1
	each_line "$3" '' ip "-$1" route replace protocol ${PROTOCOL}
	each_line "$4" "$_old_rules" ip "-$1" rule add protocol ${PROTOCOL}
	_steps=$(table_steps "$2" "$5") || return 1
	printf '%s\\n' "$_steps" | "$2-restore" --wait=10 --noflush
	each_line "$_old_rules" "$4" ip "-$1" rule del protocol ${PROTOCOL}
	_tables=$(ip -N "-$1" route show table all protocol ${PROTOCOL}) || return 1
	for _table in $(printf '%s\\n' "$_tables" | sed 's/.* table \\([^ ]*\\).*/\\1/'); do
		case "$3 " in *" table $_table"[!0-9]*) ;; *) ip "-$1" route flush table "$_table" protocol ${PROTOCOL} ;; esac
	done
}`;

const EACH_LINE = `# each_line LINES OTHERS COMMAND...: runs the command with the words of each line that is not in OTHERS.
each_line() {
	_others="
$2
"
	printf '%s\\n' "$1" | {
		shift 2
		while read -r _line; do
			case $_others in *"
$_line
"*) continue ;; esac
			# shellcheck disable=SC2086 # words
			[ -z "$_line" ] || "$@" $_line
		done
	}
}`;

const TEST = `# test_tables PROGRAM TABLES: lets iptables read the tables before anything is changed.
test_tables() {
	_steps=$(table_steps "$1" "$2") || return 1
	printf '%s\\n' "$_steps" | "$1-restore" --test --wait=10 --noflush
}`;

const NOTE_TABLES = `# note_tables PROGRAM TABLES: notes the tables that do not exist yet. iptables-nft creates and keeps them, so down
# removes them.
note_tables() {
	_there=$(saved "$1") || return 1
	for _table in $(printf '%s\\n' "$2" | sed -n 's/^\\*//p'); do
		printf '%s\\n' "$_there" | grep -qFx "*$_table" || echo "$1 $_table" >>"$state"
	done
}`;

const VALID_MARK = `# valid_mark DEVICE...: makes strict rp_filter look up the way back with the packet's mark. The old value is kept for
# down. The kernel takes the larger rp_filter of all and the device, and either's src_valid_mark.
valid_mark() {
	_all=/proc/sys/net/ipv4/conf/all
	for _device in "$@"; do
		_file=/proc/sys/net/ipv4/conf/$_device/src_valid_mark
		_before=$(cat "$_file" 2>/dev/null) || continue
		case $(cat "$_all/rp_filter" "\${_file%/*}/rp_filter" | sort -n | tail -n 1):$(cat "$_all/src_valid_mark"):$_before in
		1:0:0) ;;
		*) continue ;;
		esac
		grep -qsF "$_file " "$state" || echo "$_file $_before" >>"$state"
		echo 1 >"$_file"
	done
}`;

const BEGUN_BEFORE = `# begun_before MARK/MASK...: makes conntrack forget the UDP flows with these marks that have no answer and are not
# translated. They began before the rules were there, so they would not be for as long as they go on. Needs conntrack(8).
begun_before() {
	command -v conntrack >/dev/null || return 0
	for _mark in "$@"; do
		for _family in ipv4 ipv6; do conntrack -L -f "$_family" -p udp --mark "$_mark" 2>/dev/null || :; done
	done | awk '
		/\\[UNREPLIED\\]/ {
			n = 0
			for (i = 1; i <= NF; i++) if (split($i, part, "=") == 2 && part[1] ~ /^(src|dst|sport|dport)$/) value[++n] = part[2]
			if (n == 8 && value[1] == value[6] && value[2] == value[5]) print value[1], value[2], value[3], value[4]
		}' | while read -r _source _destination _from _to; do
		conntrack -D -p udp -s "$_source" -d "$_destination" --sport "$_from" --dport "$_to" >/dev/null 2>&1 || :
	done
}`;

const FORGET = `# forget: restores what the state file says, and removes the file.
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
		/^\\*/ { inside = $0 == table; found = found || inside }
		inside && (/^-A/ || /^:[^ ]* (-|DROP)/) { used = 1 }
		END { exit !found || used }'; then
		printf '*%s\\nCOMMIT\\n' "$2" | "$1-restore"
	fi
}`;

/** The functions of a script with iptables. */
export const IPTABLES_CHANGING = [
  SAY,
  NEED,
  CHECK_WEIGHTS,
  LOCK,
  SAVED,
  OURS,
  TABLE_STEPS,
  TEST,
  RULES_THERE,
  ROUTES_THERE,
  PUT,
  EACH_LINE,
  NOTE_TABLES,
  VALID_MARK,
  BEGUN_BEFORE,
  FORGET,
];

/** The functions of a script with nft. */
export const NFT_CHANGING = [
  SAY,
  NEED,
  CHECK_WEIGHTS,
  LOCK,
  ...NFT_TABLE,
  RULES_THERE,
  ROUTES_THERE,
  ROUTING,
  EACH_LINE,
  VALID_MARK,
  BEGUN_BEFORE,
  RESTORE,
];
