import { PROTOCOL } from '../ip.js';

/**
 * The shell functions by which a printed script finds out what only the machine knows, word for word. Each is left out
 * where nothing calls it, so a short configuration makes a short script.
 */

const NETWORKS = `# networks FAMILY NETWORK...: prints the networks that the main table reaches by more than its default route, and
# those NETWORKs that are of the family. A throw route (type 9 with -N) asks the next table, so it is not a
# destination. NETWORK fe80::/10 stands for the link-local networks of all devices.
networks() {
	_family=$1
	shift
	_main=$(ip -N "-$_family" route show table main) || return 1
	{ echo "$*" | tr ' ' '\\n' && printf '%s\\n' "$_main"; } | awk -v family="$_family" '
		/^[ \\t]/ || $1 == "throw" || $1 == "9" { next }
		$1 ~ /^([a-z]+|[0-9]+)$/ && NF > 1 && $1 != "default" { $1 = $2 }
		$1 ~ /^fe80:/ && $1 != "fe80::/10" { next }
		$1 != "default" && $1 != "" && ($1 ~ /:/) == (family == 6) { print $1 }' | sort -u
}`;

const OF_FAMILY = `# of_family FAMILY NETWORKS: prints those of the NETWORKS that are of the family.
of_family() {
	echo "$2" | tr ' ' '\\n' | awk -v family="$1" '$1 != "" && ($1 ~ /:/) == (family == 6)'
}`;

const DEFAULT_ROUTES = `# default_routes FAMILY: prints "METRIC DEVICE GATEWAY" for each way of the main table's default routes. The gateway
# is "dev" for a way that needs none, and "none" for a way that does not work.
default_routes() {
	_main=$(ip -N "-$1" route show table main) || return 1
	printf '%s\\n' "$_main" | awk '
		/^[^ \\t]/ { inside = $1 == "default"; metric = 0 }
		!inside { next }
		/^default/ { for (i = 1; i < NF; i++) if ($i == "metric") metric = $(i + 1) + 0 }
		{
			gateway = "dev"; device = ""
			for (i = 1; i <= NF; i++) {
				if ($i == "via") gateway = $(i + 1)
				if ($i == "dev") device = $(i + 1)
			}
			if (/ (dead|inet6)( |$)/) gateway = "none"
			if (device != "") print metric, device, gateway
		}'
}`;

const GATEWAY = `# gateway FAMILY DEVICE GIVEN: prints the gateway to use at the moment, dev for a device that needs none, or nothing
# while the WAN cannot be used. A gateway found by auto is not checked, since the main table uses it.
gateway() {
	_link=$(ip -o link show dev "$2" 2>/dev/null) || :
	case $_link in *[\\<,]UP[,\\>]*) ;; *) return 0 ;; esac
	if [ "$3" = auto ]; then
		_ways=$(default_routes "$1") || return 1
		_found=$(printf '%s\\n' "$_ways" | awk -v device="$2" '
			$2 == device && $3 != "none" && (!found || $1 < least) { found = $3; least = $1 }
			END { print found }')
		# A point-to-point device with an address needs no gateway.
		case $_found:$_link in :*[\\<,]POINTOPOINT[,\\>]*)
			[ -z "$(ip -o "-$1" addr show dev "$2" scope global)" ] || _found=dev
			;;
		esac
		echo "$_found"
	elif [ "$3" = dev ] || is_neighbour "$1" "$2" "$3"; then
		echo "$3"
	else
		# A gateway elsewhere is right where the main table itself uses it.
		default_routes "$1" | awk -v device="$2" -v gateway="$3" '
			$2 == device && $3 == gateway { print gateway; exit }'
	fi
}`;

const IS_NEIGHBOUR = `# is_neighbour FAMILY DEVICE GATEWAY: whether the device reaches the gateway directly. An ip rule of somebody else for
# the device (oif) may answer before main, whose own routes by the device then say so.
is_neighbour() {
	case $(ip "-$1" route get fibmatch "$3" oif "$2" 2>/dev/null) in
	local* | broadcast*) return 1 ;;
	'' | default* | unreachable* | *' via '*) ;;
	*) return 0 ;;
	esac
	ip "-$1" route show table main dev "$2" match "$3" type unicast 2>/dev/null | grep -Eqv '^default| via '
}`;

const NOT_DEFAULT = `# not_default FAMILY DEVICE...: prints the devices that do not carry the main table's default route.
not_default() {
	_ways=$(default_routes "$1") || return 1
	_defaults=$(printf '%s\\n' "$_ways" | awk '
		NR == 1 || $1 < least { least = $1; all = " " }
		$1 == least { all = all $2 " " }
		END { print all }')
	shift
	for _device in "$@"; do
		case $_defaults in *" $_device "*) ;; *) echo "$_device" ;; esac
	done
}`;

const CARRIERS = `# carriers DEVICE...: prints the devices at which no IPsec ends. What came out of IPsec has the device that carried it.
carriers() {
	for _device in "$@"; do
		case $(ip -d -o link show dev "$_device" 2>/dev/null) in *' xfrm '* | *' vti '* | *' vti6 '*) ;; *) echo "$_device" ;; esac
	done
}`;

const MAC = `# mac FAMILY DEVICE GATEWAY KNOWN...: prints the gateway's MAC address, which tells the WANs on one device apart;
# prints nothing where it is one of the KNOWN ones.
mac() {
	_mac='' _family=$1 _device=$2 _gateway=$3
	shift 3
	for _try in 1 2 3 4 5 6 7 8 9 10; do
		_mac=$(ip -N "-$_family" neigh show "$_gateway" dev "$_device" 2>/dev/null |
			awk '{ for (i = 1; i < NF; i++) if ($i == "lladdr") { print $(i + 1); exit } }')
		[ -z "$_mac" ] || break
		# The kernel asks for the address as if a packet were waiting (NTF_USE).
		ip "-$_family" neigh replace "$_gateway" dev "$_device" use 2>/dev/null || break
		sleep 0.1
	done
	if [ -z "$_mac" ]; then
		say "gateway $_gateway: its MAC address is not known, so what comes in by it cannot be told apart; refresh tries again"
		return
	fi
	case " $* " in
	*" $_mac "*) say "gateway $_gateway has the MAC address of another one; what comes in by it counts as the other's" ;;
	*) echo "$_mac" ;;
	esac
}`;

const NETWORK_TO = `# network_to FAMILY ADDRESS: prints the network of the route to an address; the address itself for the default route.
network_to() {
	ip -N "-$1" route get fibmatch "$2" 2>/dev/null | awk -v address="$2" '
		NR == 1 && $1 ~ /^[0-9a-f]*[.:]/ { network = $1 }
		END { print network ? network : address }'
}`;

const ADDRESSES_OF = `# addresses_of FAMILY DEVICE: prints the addresses of the device, without those of the link.
addresses_of() {
	ip -o "-$1" addr show dev "$2" scope global 2>/dev/null | awk '{ sub(/\\/.*/, "", $4); print $4 }'
}`;

const ADDRESSES = `# addresses FAMILY DEVICE TABLE [GATEWAY]: prints "ADDRESS TABLE" for each address of the device; with a GATEWAY, only
# for addresses on its network, since the device has several gateways.
addresses() {
	_network=$([ -z "\${4-}" ] || ip -N "-$1" route get fibmatch "$4" oif "$2" 2>/dev/null) || :
	# shellcheck disable=SC2086 # two words or none
	ip -o "-$1" addr show dev "$2" scope global \${4:+to \${_network%% *}} 2>/dev/null |
		awk -v table="$3" '{ sub(/\\/.*/, "", $4); print $4, table }'
}`;

const BOUND_RULES = `# bound_rules PRIORITY: reads "ADDRESS TABLE" lines and prints an ip rule for each address that has only one table.
bound_rules() {
	sort -u | awk -v priority="$1" '
		{ line[NR] = "priority " priority " from " $1 " lookup " $2; address[NR] = $1; owners[$1]++ }
		END { for (i = 1; i <= NR; i++) if (owners[address[i]] == 1) print line[i] }'
}`;

const ROUTE = `# route FAMILY TABLE DEVICE GATEWAY GIVEN: prints the default route of a WAN's table. While the WAN cannot be used the
# route leads nowhere: otherwise its packets would leave by another WAN with an address that does not belong there.
route() {
	case $4:$5 in
	:*)
		say "no IPv$1 route by $3 (gateway $5) at the moment"
		echo "unreachable default table $2"
		;;
	dev:*) echo "default dev $3 table $2" ;;
	*)
		# A gateway that the main table itself uses may be outside the device's networks.
		_onlink=' onlink'
		case $5 in auto) ;; *) ! is_neighbour "$1" "$3" "$4" || _onlink= ;; esac
		echo "default via $4 dev $3$_onlink table $2"
		;;
	esac
}`;

const OWN_ROUTE = `# own_route FAMILY TABLE [SOURCE]: prints a copy of the main table's default route for the router's own packets. What their
# IPv6 sockets learn, such as a path MTU, then stands beside that copy; beside main's route it would win over the tables
# of the WANs.
own_route() {
	default_routes "$1" | awk -v table="$2" -v source="\${3-}" '
		$3 != "none" && (!found || $1 < least) { found = 1; least = $1; device = $2; gateway = $3 }
		END {
			if (!found) exit
			via = gateway == "dev" ? "" : " via " gateway
			src = source == "" ? "" : " src " source
			print "default" via " dev " device src (via == "" ? "" : " onlink") " table " table
		}'
}`;

const OWN_SOURCE = `# own_source DEVICE...: prints a private address of a device that is none of these and has no far end. It is the source of
# the router's own TCP connections until NAT replaces it: the address of a WAN may go, and would take those of all other
# WANs along. Nothing where somebody routes by source, since that is about the LAN.
own_source() {
	[ -z "$exclude" ] || return 0
	[ -z "$(rules_of_others 4 0 | awk '$3 == "from" || $4 == "from" && $5 != "all"')" ] || return 0
	ip -o -4 addr show scope global | awk -v wans=" $* " '
		index(wans, " " $2 " ") || / peer / { next }
		$4 ~ /^(10|192\\.168|172\\.(1[6-9]|2[0-9]|3[01]))\\./ { sub(/\\/.*/, "", $4); print $4; exit }'
}`;

const OTHER_RULES = `# other_rules FAMILY PRIORITY MASK VALUE...: prints a copy of each ip rule of others that stands behind ours and before
# main's, to stand before ours, so that it leads where it led without us. Those that ask for a whole mark leave our MASK
# out; those that ask for one of our VALUEs are named and left.
other_rules() {
	_family=$1 _priority=$2 _mask=$3
	shift 3
	rules_of_others "$_family" "$_priority" | while read -r _stands _number _rule; do
		_ignores=''
		case $_rule in *'fwmark '*)
			_value=\${_rule#*fwmark } && _value=\${_value%% *}
			_bits=\${_value#*/} _value=\${_value%/*}
			_hit=''
			for _ours in "$@"; do [ $(((_ours ^ _value) & _mask & _bits)) != 0 ] || _hit=1; done
			if [ $((_mask & _bits)) != 0 ]; then
				[ -z "$_hit" ] || { say "ip -$_family rule $_number '$_rule' of somebody else asks for one of our marks" && continue; }
				[ $((_value & _mask)) != 0 ] || [ $((_value)) = 0 ] || _ignores=1
			fi
			[ -z "$_ignores" ] ||
				_rule="\${_rule%%fwmark *}fwmark $_value/$(printf '0x%x' $((_bits & ~_mask))) \${_rule#*fwmark * }"
			;;
		esac
		case $_stands:$_rule in
		before:'lookup main') say "ip -$_family rule $_number '$_rule' of somebody else takes every connection" ;;
		esac
		case $_stands:$_ignores in before:) ;; *) printf '%s\\n' "$_rule" ;; esac
	done | awk -v end="$_priority" '
		{ rule[NR] = $0 }
		END { for (i = 1; i <= NR; i++) print "priority " end - NR + i - 1, rule[i] }'
}

# rules_of_others FAMILY PRIORITY: prints "before PRIORITY RULE" or "behind PRIORITY RULE" for each ip rule of others that
# is asked before main's and can be copied; a mark has its mask.
rules_of_others() {
	ip -N "-$1" rule show | awk -v ours="$2" -v respect="$respect_marks" '
		/ proto ${PROTOCOL}$/ { next }
		{
			priority = $1 + 0
			sub(/^[0-9]*:[ \\t]*/, "")
			sub(/^from all /, "")
			sub(/ proto [^ ]*$/, "")
			gsub(/ \\[detached\\]/, "")
			sub(/ipproto ipproto-/, "ipproto ")
			sub(/lookup 254/, "lookup main")
			if (!/lookup/) { sub(/ 6$/, " blackhole"); sub(/ 7$/, " unreachable"); sub(/ 8$/, " prohibit") }
			if (/fwmark 0x[0-9a-f]* /) sub(/fwmark 0x[0-9a-f]*/, "&/0xffffffff")
		}
		respect == "off" && /fwmark/ && !/^not / { next }
		priority == 0 || /goto|nop|l3mdev|realms|tun_id/ { next }
		priority >= ours && $0 == "lookup main" { exit }
		{ print (priority < ours ? "before" : "behind"), priority, $0 }'
}`;

const EXEMPT_MARKS = `# exempt_marks FAMILY MASK: prints the whole marks that ip rules of others exempt, such as 51820 with "not fwmark 51820":
# what a tunnel itself sends would go into the tunnel if we changed its mark.
exempt_marks() {
	rules_of_others "$1" 0 | sed -n 's/^behind [0-9]* not .*fwmark \\([^ ]*\\) .*/\\1/p' | while read -r _mark; do
		[ $((\${_mark#*/} & $2)) = 0 ] || echo "$_mark"
	done | sort -u
}`;

const LED_MARKS = `# led_marks FAMILY MASK: prints the marks that ip rules of others lead to tables of theirs, or refuse, without our MASK: what
# has such a mark is left to them. A table without a default route may leave the packet to later rules.
led_marks() {
	rules_of_others "$1" 0 | while read -r _stands _number _word _mark _action _table _more; do
		case $_word:$_more in fwmark:) ;; *) continue ;; esac
		_value=\${_mark%/*} _bits=\${_mark#*/}
		[ $((_value & _bits & $2)) = 0 ] || continue
		[ $((_bits & ~$2)) != 0 ] || continue
		case $_action in
		lookup) ip -N "-$1" route show table "$_table" 2>/dev/null | grep -Eq '^([a-z]+ )?default' || continue ;;
		esac
		printf '%s/0x%x\\n' "$_value" $((_bits & ~$2))
	done | sort -u
}`;

const FAR_ENDS = `# far_ends FAMILY DEVICE...: prints the far ends of the devices that are tunnels. What such a tunnel sends itself must not be led
# into it.
far_ends() {
	_family=$1
	shift
	for _device in "$@"; do
		ip -d -o link show dev "$_device" 2>/dev/null | sed -n 's/.* remote \\([^ ]*\\) .*/\\1/p'
		_tunnel=$(ip l2tp show session 2>/dev/null |
			awk -v device="$_device" '/^Session/ { tunnel = $5 } /interface name:/ && $3 == device { print tunnel }')
		[ -z "$_tunnel" ] || ip l2tp show tunnel tunnel_id "$_tunnel" | awk '/ From / { print $4 }'
		wg show "$_device" endpoints 2>/dev/null | awk '{ sub(/:[0-9]+$/, "", $2); gsub(/[][]/, "", $2); print $2 }'
	done | awk -v family="$_family" '
		/^[0-9a-f.:]+$/ && ($1 ~ /:/) == (family == 6) && !/^(0\\.0\\.0\\.0|::|22[4-9]\\.|23[0-9]\\.|ff)/' | sort -u
}`;

const EACH = `# each LIST RULE: prints the rule once for each word of the list, which replaces the @.
each() {
	for _one in $1; do printf '%s\\n' "\${2%%@*}$_one\${2#*@}"; done
}`;

const AS_MATCHED = `# as_matched PROGRAM: reads tables and prints them without the rules that ask for IPsec, where PROGRAM or the kernel
# cannot ask (xt_policy). Where the kernel cannot, iptables warns and goes on; where it cannot itself, it ends with 2.
as_matched() {
	_code=0
	_answer=$("$1" -w 10 -t mangle -C POSTROUTING -m policy --dir out --pol ipsec -j RETURN 2>&1) || _code=$?
	case $_code:$_answer in
	*'not supported'*) ;;
	[01]:*) cat && return ;;
	esac
	[ -z "$(ip xfrm policy 2>/dev/null)" ] ||
		say "$1 cannot ask for IPsec (xt_policy), so what its policies should take is balanced and translated; exclude it"
	sed '/ -m policy /d'
}`;

/** The functions of the script that find out what only the machine knows. */
export const FINDING = [
  NETWORKS,
  OF_FAMILY,
  DEFAULT_ROUTES,
  IS_NEIGHBOUR,
  GATEWAY,
  NOT_DEFAULT,
  CARRIERS,
  MAC,
  NETWORK_TO,
  ADDRESSES_OF,
  ADDRESSES,
  BOUND_RULES,
  ROUTE,
  OWN_ROUTE,
  OWN_SOURCE,
  OTHER_RULES,
  EXEMPT_MARKS,
  LED_MARKS,
  FAR_ENDS,
];

/** Those by which only a script with iptables does. */
export const IPTABLES_FINDING = [EACH, AS_MATCHED];
