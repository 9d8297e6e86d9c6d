import type { Config } from '../../../config/config.js';
import { PROTOCOL } from '../ip.js';

/**
 * The shell functions of a printed script, as it stands there. Each is left out where nothing calls it, so that a short
 * configuration makes a short script.
 */

export const EACH = `# each LIST RULE: the rule once for each word of the list, in the place of @.
each() {
	for _one in $1; do printf '%s\\n' "\${2%%@*}$_one\${2#*@}"; done
}`;

export const NETWORKS = `# networks FAMILY: what the main table knows better than by its default route. A throw route (type 9 with -N) asks the
# next table, so it is not a destination.
networks() {
	ip -N "-$1" route show table main | awk '
		/^[ \\t]/ || $1 == "default" || $1 == "throw" || $1 == "9" { next }
		$1 ~ /^([a-z]+|[0-9]+)$/ { print $2; next }
		{ print $1 }' | sort -u
}`;

export const GATEWAY = `# gateway FAMILY DEVICE GIVEN: the gateway itself; for auto, that of the best default route by the device.
gateway() {
	[ "$3" = auto ] || { echo "$3"; return; }
	_found=$(ip -N "-$1" route show table main | awk -v wanted="$2" '
		/^[^ \\t]/ { inside = $1 == "default"; metric = 0 }
		!inside { next }
		/^default/ { for (i = 1; i < NF; i++) if ($i == "metric") metric = $(i + 1) + 0 }
		{
			via = "dev"; dev = ""; unusable = 0
			for (i = 1; i <= NF; i++) {
				if ($i == "via") via = $(i + 1)
				if ($i == "dev") dev = $(i + 1)
				if ($i == "dead" || $i == "inet6") unusable = 1
			}
			if (dev != wanted || unusable || (best != "" && metric >= least)) next
			best = via
			least = metric
		}
		END { print best }')
	# A point-to-point device with an address needs none.
	if [ -z "$_found" ] && [ -n "$(ip -o "-$1" addr show dev "$2" scope global 2>/dev/null)" ]; then
		case $(ip -o link show dev "$2" 2>/dev/null) in *[\\<,]POINTOPOINT[,\\>]*) _found=dev ;; esac
	fi
	echo "\${_found:-auto}"
}`;

export const USABLE = `# usable FAMILY DEVICE GATEWAY GIVEN: whether the WAN can be used at the moment. A gateway that the main table itself uses
# is right, whatever the networks of its device.
usable() {
	case $(ip -o link show dev "$2" 2>/dev/null) in *[\\<,]UP[,\\>]*) ;; *) return 1 ;; esac
	case $3 in auto) return 1 ;; dev) return 0 ;; esac
	case $(ip "-$1" route get fibmatch "$3" oif "$2" 2>/dev/null) in
	'' | default* | local* | broadcast* | unreachable* | *' via '*) [ "$4" = auto ] ;;
	esac
}`;

export const SHARE = `# share FAMILY DEVICE GATEWAY GIVEN WEIGHT: the weight, or 0 while the WAN cannot be used.
share() {
	if usable "$1" "$2" "$3" "$4"; then echo "$5"; else echo 0; fi
}`;

export const ROUTE = `# route FAMILY TABLE DEVICE GATEWAY GIVEN: the default route of a WAN's table. While the WAN cannot be used it leads
# nowhere: what belongs to the WAN would otherwise leave by another one, with an address that is not the other's.
route() {
	if ! usable "$1" "$3" "$4" "$5"; then
		say "device $3, gateway $4: no IPv$1 route at the moment"
		ip "-$1" route replace unreachable default table "$2" protocol ${PROTOCOL}
	elif [ "$4" = dev ]; then
		ip "-$1" route replace default dev "$3" table "$2" protocol ${PROTOCOL}
	elif [ "$5" = auto ]; then
		# The main table may reach it only so, too.
		ip "-$1" route replace default via "$4" dev "$3" onlink table "$2" protocol ${PROTOCOL}
	else
		ip "-$1" route replace default via "$4" dev "$3" table "$2" protocol ${PROTOCOL}
	fi
}`;

export const ADDRESSES = `# addresses FAMILY DEVICE TABLE: "ADDRESS TABLE" for each address of the device.
addresses() {
	ip -o "-$1" addr show dev "$2" scope global 2>/dev/null | awk -v table="$3" '{ sub(/\\/.*/, "", $4); print $4, table }'
}`;

export const NEAREST_ADDRESS = `# nearest_address FAMILY DEVICE GATEWAY TABLE: of a device with several WANs, the address on the gateway's network.
nearest_address() {
	ip -o "-$1" route get "$3" oif "$2" 2>/dev/null | awk -v table="$4" '{
		for (i = 1; i < NF; i++) if ($i == "src") { print $(i + 1), table; exit }
	}'
}`;

export const BOUND_RULES = `# bound_rules PRIORITY: reads "ADDRESS TABLE" lines; an ip rule for each address that is of one table only.
bound_rules() {
	sort -u | awk -v priority="$1" '
		{ line[NR] = "priority " priority " from " $1 " lookup " $2; address[NR] = $1; owners[$1]++ }
		END { for (i = 1; i <= NR; i++) if (owners[address[i]] == 1) print line[i] }'
}`;

export const NOT_DEFAULT = `# not_default FAMILY DEVICE...: those that are not the main table's default.
not_default() {
	_defaults=" $(ip -N "-$1" route show table main | awk '
		/^[^ \\t]/ { inside = $1 == "default"; metric = 0 }
		!inside { next }
		/^default/ { for (i = 1; i < NF; i++) if ($i == "metric") metric = $(i + 1) + 0 }
		/^default/ && (!found || metric < least) { found = 1; least = metric; devices = "" }
		metric == least { for (i = 1; i < NF; i++) if ($i == "dev") devices = devices " " $(i + 1) }
		END { print devices }') "
	shift
	for _device in "$@"; do
		case $_defaults in *" $_device "*) ;; *) echo "$_device" ;; esac
	done | sort -u
}`;

export const MAC = `# mac FAMILY DEVICE GATEWAY: its MAC address, which tells by which WAN on the device a connection came in.
mac() {
	[ "$3" != dev ] || return 0
	for _try in 1 2 3 4 5; do
		_mac=$(ip -N "-$1" neigh show "$3" dev "$2" 2>/dev/null |
			awk '{ for (i = 1; i < NF; i++) if ($i == "lladdr") { print $(i + 1); exit } }')
		[ -z "$_mac" ] || { echo "$_mac"; return 0; }
		# As if a packet were waiting for it (NTF_USE).
		ip "-$1" neigh replace "$3" dev "$2" use 2>/dev/null || :
		sleep 0.2
	done
	say "gateway $3: its MAC address is not known, so what comes in by it cannot be told apart; refresh tries again"
}`;

export const NETWORK_TO = `# network_to FAMILY ADDRESS: the network that the route to it is for; the address itself where that is the default route.
network_to() {
	ip -N "-$1" route get fibmatch "$2" 2>/dev/null | awk -v address="$2" '
		NR == 1 && $1 ~ /^[0-9a-f]*[.:]/ { network = $1 }
		END { print network ? network : address }'
}`;

const CHOOSE_HEAD = `# choose CHAIN MASK LAST_RESORT "TIER MARK WEIGHT"...: rules that give an undecided packet one of the marks, those of
# the lowest tier that has a weight. They are tried one after the other, so each sees only what those before it left, and
# its share is of that: w / (what is left), not w / (all). The last one takes the rest.`;

const CHOOSE_RANDOM = `choose() {
	_chain=$1 _mask=$2 _last=$3
	shift 3
	printf '%s\\n' "$@" | sort -k 1,1n | awk -v chain="$_chain" -v mask="$_mask" -v last="$_last" '
		function rule(mark, match_words) {
			print "-A " chain " -m mark --mark 0x0/" mask " " match_words "-j MARK --set-xmark " mark "/" mask
		}
		$3 > 0 && (!count || $1 == tier) { tier = $1; mark[++count] = $2; weight[count] = $3; left += $3 }
		END {
			for (i = 1; i < count; i++) {
				# The kernel compares 31 random bits (statistic_mt), and 11 digits are read and printed without loss.
				steps = int(weight[i] / left * 2147483648 + .5)
				rule(mark[i], sprintf("-m statistic --mode random --probability %.11f ", steps / 2147483648))
				left -= weight[i]
			}
			if (count) rule(mark[count], "")
			else if (last) rule(last, "-m addrtype ! --src-type LOCAL ")
		}'
}`;

const CHOOSE_NTH = `choose() {
	_chain=$1 _mask=$2 _last=$3
	shift 3
	printf '%s\\n' "$@" | sort -k 1,1n | awk -v chain="$_chain" -v mask="$_mask" -v last="$_last" '
		function rule(mark, match_words) {
			print "-A " chain " -m mark --mark 0x0/" mask " " match_words "-j MARK --set-xmark " mark "/" mask
		}
		function divisor(   i, a, b, rest) {
			for (i = 1; i <= count; i++)
				for (b = weight[i]; b; b = rest) { if (!a) a = b; rest = a % b; a = b }
			return a
		}
		$3 > 0 && (!count || $1 == tier) { tier = $1; mark[++count] = $2; weight[count] = $3; all += $3 }
		END {
			if (!count) { if (last) rule(last, "-m addrtype ! --src-type LOCAL "); exit }
			# Each turn every mark earns its weight, the richest is chosen and pays what all earned.
			turns = all / divisor()
			for (turn = turns; turn > 0; turn--) {
				best = 1
				for (i = 1; i <= count; i++) {
					credit[i] += weight[i]
					if (credit[i] > credit[best]) best = i
				}
				credit[best] -= all
				rule(mark[best], turn > 1 ? "-m statistic --mode nth --every " turn " --packet 0 " : "")
			}
		}'
}`;

export function chooseFunction(mode: Config['kernelMode']): string {
  return `${CHOOSE_HEAD}\n${mode === 'nth' ? CHOOSE_NTH : CHOOSE_RANDOM}`;
}

export const CLEAR = `# clear PROGRAM TABLE: the lines that take away what is ours in a table: chains called WANMARK, and the jumps to them.
clear() {
	"$1-save" | awk -v table="*$2" '
		/^\\*/ { inside = $0 == table }
		!inside { next }
		/^:WANMARK/ { chain = substr($1, 2); empty = empty "-F " chain "\\n"; drop = drop "-X " chain "\\n" }
		/^-A [A-Z]+ .*--comment "?wanmark"? -j WANMARK/ && $2 !~ /^WANMARK/ { print "-D" substr($0, 3) }
		END { printf "%s%s", empty, drop }'
}`;

export const RULES_THERE = `# rules_there FAMILY: the ip rules that are ours, in the words of ours.
rules_there() {
	ip -N "-$1" rule show | sed -n "
		/ proto ${PROTOCOL}\\$/!d
		s/ proto ${PROTOCOL}\\$//
		s/^\\\\([0-9]*\\\\):[[:space:]]*from all /priority \\\\1 /
		s/^\\\\([0-9]*\\\\):[[:space:]]*/priority \\\\1 /
		s/lookup 254/lookup main/
		/lookup/!s/ 6\\$/ blackhole/
		/lookup/!s/ 7\\$/ unreachable/
		p"
}`;

export const PUT_RULES = `# put_rules FAMILY RULES: adds those that are not there, and only then takes away those that are too many.
put_rules() {
	_there=$(rules_there "$1")
	printf '%s\\n' "$2" | while read -r _rule; do
		case "
$_there
" in *"
$_rule
"*) continue ;; esac
		# shellcheck disable=SC2086 # the words of a rule
		[ -z "$_rule" ] || ip "-$1" rule add $_rule protocol ${PROTOCOL}
	done
	printf '%s\\n' "$_there" | while read -r _rule; do
		case "
$2
" in *"
$_rule
"*) continue ;; esac
		# shellcheck disable=SC2086
		[ -z "$_rule" ] || ip "-$1" rule del $_rule protocol ${PROTOCOL}
	done
}`;

export const VALID_MARK = `# valid_mark DEVICE: with it strict rp_filter looks up the way back with the packet's mark. The value from before is kept
# for down.
valid_mark() {
	_file=/proc/sys/net/ipv4/conf/$1/src_valid_mark
	[ -e "$_file" ] && [ "$(cat "$_file")" != 1 ] || return 0
	grep -qs "^$1 " "$state" || printf '%s\\n' "$1 $(cat "$_file")" >>"$state"
	echo 1 >"$_file"
}

marks_as_before() {
	[ -e "$state" ] || return 0
	while read -r _device _value; do
		_file=/proc/sys/net/ipv4/conf/$_device/src_valid_mark
		[ ! -e "$_file" ] || echo "$_value" >"$_file"
	done <"$state"
	rm -f "$state"
}`;
