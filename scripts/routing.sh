# shellcheck shell=sh disable=SC2154 # set by lib.sh and wanmark.sh
# Our ip rules, routes and device settings. All our rules and routes carry the protocol 119. Sourced, never run.

CONF=/proc/sys/net/ipv4/conf

# look_routing DIR: writes our ip rules and routes to DIR, in the form of a plan. With -N a rule that refuses ends in
# the number of its type (RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT), and a route that leads nowhere begins with it.
look_routing() {
	for _list in rules4 routes4 rules6 routes6; do : >"$1/$_list" || fail "cannot write $1"; done
	: >"$1/shown" || fail "cannot write $1"
	for _family in 4 6; do
		shown "rules$_family" "$1" "-$_family" rule show
		shown "routes$_family" "$1" "-$_family" route show table all proto "$PROTOCOL"
	done
	awk -v dir="$1/" -v protocol="$PROTOCOL" '
	/^#/ { file = dir substr($0, 2); is_rule = /rules/; next }
	is_rule {
		if ($0 !~ (" proto " protocol "$")) next
		sub(" proto " protocol "$", "")
		priority = $1
		sub(/:$/, "", priority)
		sub(/^[0-9]*:[ \t]*/, "")
		sub(/^from all /, "")
		sub(/lookup 254/, "lookup main")
		gsub(/ \[detached\]/, "")
		sub(/ipproto ipproto-/, "ipproto ")
		if ($0 !~ /lookup/) { sub(/ 6$/, " blackhole"); sub(/ 7$/, " unreachable"); sub(/ 8$/, " prohibit") }
		# Without a mask ip means all bits.
		if (match($0, /fwmark 0x[0-9a-f]* /)) sub(/fwmark 0x[0-9a-f]*/, "&/0xffffffff")
		print "priority " priority " " $0 > file
		next
	}
	{
		nowhere = $1 == "7" || $1 == "unreachable"
		line = nowhere ? "unreachable " $2 : $1
		table = onlink = src = ""
		for (i = 2; i <= NF; i++) {
			# IPv6 shows a device for a route that leads nowhere.
			if (!nowhere && ($i == "via" || $i == "dev")) line = line " " $i " " $(i + 1)
			if ($i == "src") src = " src " $(i + 1)
			if ($i == "onlink") onlink = " onlink"
			if ($i == "table") table = " table " $(i + 1)
		}
		print line src onlink table > file
	}' "$1/shown" || fail "cannot write $1; is the file system full?"
}

# shown HEADING DIR ARGUMENT...: appends what ip shows to DIR/shown. What cannot be read must not be taken for nothing,
# but a kernel without IPv6 has no rules or routes of it.
shown() {
	_heading=$1 _shown=$2/shown
	shift 2
	_said=$(ip -N "$@" 2>&1) || case $_said in
	*'not supported'*) _said= ;;
	*) failed "ip -N $*" "$_said" ;;
	esac
	printf '#%s\n%s\n' "$_heading" "$_said" >>"$_shown" || fail "cannot write $_shown"
}

# routing_steps FAMILY NOW THEN STEPS: writes the steps. Routes are added before the rules that lead to them, and
# removed after them.
routing_steps() {
	{
		without "$3/routes$1" "$2/routes$1" "route replace" &&
			without "$3/rules$1" "$2/rules$1" "rule add"
	} >"$4/$1.add" || fail "cannot write $4"
	{
		without "$2/rules$1" "$3/rules$1" "rule del" &&
			without "$2/routes$1" "$3/routes$1" "route del"
	} >"$4/$1.drop" || fail "cannot write $4"
}

# without A B COMMAND: prints COMMAND for each line of A that is not in B. A replaced route is not deleted as well:
# `ip route del` matches by less than the whole route, and would delete the new one.
without() {
	[ -e "$1" ] || return 0
	awk -v others="$2" -v command="$3" -v protocol="$PROTOCOL" '
		function place(   i) { i = $1 == "unreachable" ? 2 : 1; return $i " " $NF }
		BEGIN { while ((getline < others) > 0) { there[$0]; taken[place()] } }
		NF && !($0 in there) && !(command == "route del" && place() in taken) {
			print command, $0, "protocol", protocol
		}' "$1"
}

# add_routing FAMILY STEPS: adds the rules and routes of a family.
add_routing() {
	[ -s "$2/$1.add" ] || return 0
	ran "ip -$1 -batch" "$2/$1.add"
	_said=$(ip "-$1" -batch "$2/$1.add" 2>&1) && return 0
	case $_said in
	*'Command failed'*) ip_failed "$1" "$2/$1.add" "$_said" ;;
	*) one_by_one "$1" "$2/$1.add" strict ;;
	esac
}

# drop_routing FAMILY STEPS: removes rules and routes. Those that are gone already, for example with their device, are
# no error.
drop_routing() {
	[ -s "$2/$1.drop" ] || return 0
	ran "ip -$1 -force -batch" "$2/$1.drop"
	_said=$(ip "-$1" -force -batch "$2/$1.drop" 2>&1) && return 0
	case $_said in
	*'Command failed'*)
		_bad=$(printf '%s\n' "$_said" | grep -v -e 'No such' -e 'Cannot find device' -e '^Command failed')
		[ -z "$_bad" ] || ip_failed "$1" "$2/$1.drop" "$_said"
		;;
	*) one_by_one "$1" "$2/$1.drop" '' ;;
	esac
}

# one_by_one FAMILY FILE STRICT: runs the lines one by one, for an ip without -batch such as busybox's.
one_by_one() {
	while read -r _line; do
		# shellcheck disable=SC2086 # the words of a rule or route
		_said=$(ip "-$1" $_line 2>&1) && continue
		case $3:$_said in
		:*'No such'* | :*'Cannot find device'*) ;;
		*) failed "ip -$1 $_line" "$_said" ;;
		esac
	done <"$2"
}

# ip_failed FAMILY FILE SAID: reports a failure with the line that `ip -batch` names.
ip_failed() {
	_number=$(printf '%s\n' "$3" | sed -n 's/^Command failed .*:\([0-9][0-9]*\)$/\1/p' | sed -n 1p)
	failed "ip -$1 $(sed -n "${_number:-1}p" "$2")" "$(printf '%s\n' "$3" | grep -v '^Command failed')"
}

# settle_routing: notes that what was asked for is there now. A moved file is there as a whole or not at all.
settle_routing() {
	_want=$FOLDER/want
	run_quietly mv -f "$_want/rules4" "$_want/routes4" "$_want/rules6" "$_want/routes6" "$STATE/have/"
}

# missing_routing HAVE: prints an event for each missing rule or route.
missing_routing() {
	for _family in 4 6; do
		for _list in rules routes; do
			[ -s "$STATE/have/$_list$_family" ] || continue
			awk -v have="$1/$_list$_family" -v family="$_family" -v what="${_list%s}" '
				BEGIN { while ((getline line < have) > 0) there[line] }
				NF && !($0 in there) {
					printf "{\"event\":\"missing\",\"family\":%s,\"%s\":\"%s\"}\n", family, what, $0
				}' "$STATE/have/$_list$_family"
		done
	done
}

# --- settings ---------------------------------------------------------------

# remember_settings: keeps the list of devices with a setting of ours, for an undo.
remember_settings() {
	if [ -e "$STATE/sysctl" ]; then cp "$STATE/sysctl" "$WORK/settings"; else : >"$WORK/settings"; fi ||
		fail "cannot write $WORK"
}

# put_settings FILE: makes the settings. Each old value is noted first, so that `down` can restore it after a crash at
# any point. One program reads all of them, since there may be hundreds of devices.
put_settings() {
	[ -e "$1" ] || return 0
	differing "$1" >"$WORK/differing" || fail "cannot write $WORK; is the file system full?"
	while read -r _device _key _value _old <&4; do
		grep -qs "^$_device " "$STATE/sysctl" || printf '%s\n' "$_device $_old" >>"$STATE/sysctl" ||
			fail "cannot write $STATE/sysctl; is the file system full?"
		write_setting "$CONF/$_device/$_key" "$_value"
	done 4<"$WORK/differing"
}

# differing FILE: prints each line DEVICE KEY VALUE of FILE whose setting has another value, and that value. A device
# that is gone has none.
differing() {
	awk -v conf="$CONF" '{
		file = conf "/" $1 "/" $2
		if ((getline old < file) > 0 && old != $3) print $1, $2, $3, old
		close(file)
	}' "$1"
}

write_setting() {
	ran "echo $2 > $1"
	(printf '%s\n' "$2" >"$1") 2>/dev/null || failed "echo $2 > $1" "cannot write $1; is /proc/sys writable?"
}

# settings_as_before FILE: restores the devices that FILE does not name.
settings_as_before() {
	[ -s "$STATE/sysctl" ] || return 0
	_spare=$(awk -v kept="$1" '
		BEGIN { while ((getline line < kept) > 0) { split(line, word, " "); there[word[1]] } }
		!($1 in there)' "$STATE/sysctl") || fail 'awk failed'
	[ -n "$_spare" ] || return 0
	while read -r _device _old <&4; do
		[ ! -e "$CONF/$_device/src_valid_mark" ] || write_setting "$CONF/$_device/src_valid_mark" "$_old"
	done 4<<-WANMARK
		$_spare
	WANMARK
	# shellcheck disable=SC2016 # awk's own
	keep "$STATE/sysctl" awk -v kept="$1" '
		BEGIN { while ((getline line < kept) > 0) { split(line, word, " "); there[word[1]] } }
		$1 in there' "$STATE/sysctl"
}

# restore_settings: restores the settings to those at the beginning of this run.
restore_settings() {
	awk '{ print $1, "src_valid_mark", 1 }' "$WORK/settings" >"$WORK/before" && put_settings "$WORK/before"
	settings_as_before "$WORK/settings"
}

# missing_settings: prints an event for each device whose setting does not have our value any more.
missing_settings() {
	[ -e "$STATE/settings" ] || return 0
	differing "$STATE/settings" | awk '{
		printf "{\"event\":\"missing\",\"setting\":\"%s\",\"device\":\"%s\"}\n", $2, $1
	}'
}
