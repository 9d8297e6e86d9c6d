#!/bin/sh
# Balances connections over fibre and dsl.
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
# protocol 119. A connection's mark says which WAN it belongs to; bits outside the mask are left as they are.
set -eu
# A lock that others can read can be taken by them, and the state names programs that run as root.
umask 077
LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH

# --- settings --------------------------------------------------------------

fibre_dev=eth1
fibre_via=auto # the gateway of the main table's default route by the device
fibre_via6=auto # the gateway of the main table's default route by the device
fibre_weight=3
dsl_dev=ppp0
dsl_via=auto # the gateway of the main table's default route by the device
dsl_weight=1
exclude="" # networks to leave alone
respect_marks=on # whether ip rules of others by mark hold before ours
iptables=iptables
ip6tables=ip6tables
state=/run/wanmark-script # what down needs to know

# --- what is wanted --------------------------------------------------------

print_routes4() {
	route 4 1001 "$fibre_dev" "$fibre_gateway4" "$fibre_via"
	route 4 1002 "$dsl_dev" "$dsl_gateway4" "$dsl_via"
	[ -z "$own_source" ] || own_route 4 1000 "$own_source"
}

# The order: what others made, specific routes, the mark of a WAN, the addresses that a socket may be bound to.
print_rules4() {
	other_rules 4 20000 0x3f000000 0x1000000 0x2000000
	echo 'priority 20000 lookup main suppress_prefixlength 0'
	echo "priority 20000 fwmark 0x1000000/0x3f000000 iif $fibre_dev lookup main"
	echo "priority 20000 fwmark 0x2000000/0x3f000000 iif $dsl_dev lookup main"
	echo 'priority 20001 fwmark 0x1000000/0x3f000000 lookup 1001'
	echo 'priority 20001 fwmark 0x2000000/0x3f000000 lookup 1002'
	for _end in $far_ends_4; do echo "priority 20000 to $_end iif lo ipproto 17 lookup main"; done
	{
		addresses 4 "$fibre_dev" 1001
		addresses 4 "$dsl_dev" 1002
	} | bound_rules 20002
	[ -z "$own_source" ] || echo 'priority 20003 iif lo ipproto 6 lookup 1000'
}

# Our part of iptables' tables, as iptables-save prints it.
print_tables4() {
	cat <<-WANMARK
		*nat
		:WANMARK_NAT - [0:0]
		-A WANMARK_NAT -m policy --dir out --pol ipsec -j RETURN
		$(each "$excluded_4" "-A WANMARK_NAT -d @ -j RETURN")
		-A WANMARK_NAT -o $fibre_dev -j MASQUERADE
		-A WANMARK_NAT -o $dsl_dev -j MASQUERADE
		-A POSTROUTING -m comment --comment wanmark -j WANMARK_NAT
		COMMIT
		*mangle
		:WANMARK - [0:0]
		:WANMARK_MARKED - [0:0]
		:WANMARK_TRANSLATED - [0:0]
		:WANMARK_OUT - [0:0]
		:WANMARK_NEW - [0:0]
		:WANMARK_TRUTH - [0:0]
		:WANMARK_SAVE - [0:0]
		:WANMARK_CLEAR - [0:0]
		:WANMARK_COUNT - [0:0]
		:WANMARK_KERNEL - [0:0]
		-A WANMARK -m mark ! --mark 0x0/0x3f000000 -j WANMARK_MARKED
		-A WANMARK -m mark --mark 0x0/0x3f000000 -m connmark ! --mark 0x3e000000/0x3f000000 -j CONNMARK --restore-mark --nfmask 0x3f000000 --ctmask 0x3f000000
		-A WANMARK -m mark ! --mark 0x0/0x3f000000 -j RETURN
		-A WANMARK -m conntrack --ctstate SNAT -j WANMARK_TRANSLATED
		-A WANMARK -m mark ! --mark 0x0/0x3f000000 -j RETURN
		$(each "$carriers_4" "-A WANMARK -i @ -m policy --dir in --pol ipsec -j RETURN")
		-A WANMARK -i $fibre_dev -m conntrack --ctstate NEW -j MARK --set-xmark 0x1000000/0x3f000000
		-A WANMARK -i $fibre_dev -m conntrack --ctstate NEW -j CONNMARK --set-xmark 0x1000000/0x3f000000
		-A WANMARK -i $dsl_dev -m conntrack --ctstate NEW -j MARK --set-xmark 0x2000000/0x3f000000
		-A WANMARK -i $dsl_dev -m conntrack --ctstate NEW -j CONNMARK --set-xmark 0x2000000/0x3f000000
		-A WANMARK -i $fibre_dev -j RETURN
		-A WANMARK -i $dsl_dev -j RETURN
		-A WANMARK -m conntrack --ctstate NEW --ctdir ORIGINAL -g WANMARK_NEW
		$(each "$exempt_4" "-A WANMARK_MARKED -m mark --mark @ -j RETURN")
		-A WANMARK_MARKED -i $fibre_dev -j MARK --set-xmark 0x0/0x3f000000
		-A WANMARK_MARKED -i $dsl_dev -j MARK --set-xmark 0x0/0x3f000000
		-A WANMARK_MARKED -m mark --mark 0x3e000000/0x3f000000 -j MARK --set-xmark 0x0/0x3f000000
		-A WANMARK_MARKED -m mark ! --mark 0x0/0x3f000000 -m connmark --mark 0x3e000000/0x3f000000 -m conntrack --ctstate NEW -j CONNMARK --save-mark --nfmask 0x3f000000 --ctmask 0x3f000000
		$(each "$own_of_fibre_4" "-A WANMARK_TRANSLATED -m conntrack --ctrepldst @ -j MARK --set-xmark 0x1000000/0x3f000000")
		$(each "$own_of_dsl_4" "-A WANMARK_TRANSLATED -m conntrack --ctrepldst @ -j MARK --set-xmark 0x2000000/0x3f000000")
		$(each "$exempt_4" "-A WANMARK_OUT -m mark --mark @ -j RETURN")
		-A WANMARK_OUT -p 4 -g WANMARK_CLEAR
		-A WANMARK_OUT -p 41 -g WANMARK_CLEAR
		-A WANMARK_OUT -p 47 -g WANMARK_CLEAR
		-A WANMARK_OUT -p 50 -g WANMARK_CLEAR
		-A WANMARK_OUT -p 115 -g WANMARK_CLEAR
		-A WANMARK_OUT -p 51 -g WANMARK_CLEAR
		$(each "$far_ends_4" "-A WANMARK_OUT -p 17 -d @ -g WANMARK_CLEAR")
		-A WANMARK_OUT -p udp --sport 68 --dport 67 -j RETURN
		-A WANMARK_OUT -m policy --dir out --pol ipsec -j RETURN
		-A WANMARK_OUT -m mark --mark 0x3e000000/0x3f000000 -j MARK --set-xmark 0x0/0x3f000000
		-A WANMARK_OUT -m mark ! --mark 0x0/0x3f000000 -m connmark --mark 0x3e000000/0x3f000000 -m conntrack --ctstate NEW -j CONNMARK --save-mark --nfmask 0x3f000000 --ctmask 0x3f000000
		-A WANMARK_OUT -m mark ! --mark 0x0/0x3f000000 -m connmark ! --mark 0x0/0x3f000000 -m connmark ! --mark 0x3e000000/0x3f000000 -j CONNMARK --restore-mark --nfmask 0x3f000000 --ctmask 0x3f000000
		-A WANMARK_OUT -m mark --mark 0x0/0x3f000000 -m connmark ! --mark 0x3e000000/0x3f000000 -j CONNMARK --restore-mark --nfmask 0x3f000000 --ctmask 0x3f000000
		-A WANMARK_OUT -m mark ! --mark 0x0/0x3f000000 -j RETURN
		-A WANMARK_OUT -m conntrack --ctstate SNAT -j WANMARK_TRANSLATED
		-A WANMARK_OUT -m mark ! --mark 0x0/0x3f000000 -j RETURN
		$(each "$bound_4" "-A WANMARK_OUT -o @ -j RETURN")
		-A WANMARK_OUT -m conntrack --ctstate NEW --ctdir ORIGINAL -g WANMARK_NEW
		$(each "$led_4" "-A WANMARK_NEW -m mark --mark @ -j RETURN")
		$(each "$specific_4" "-A WANMARK_NEW -d @ -j RETURN")
		-A WANMARK_NEW -m addrtype --dst-type LOCAL -j RETURN
		-A WANMARK_NEW -m addrtype ! --dst-type UNICAST -j RETURN
		-A WANMARK_NEW -m conntrack --ctstate NEW --ctdir ORIGINAL -g WANMARK_KERNEL
		-A WANMARK_TRUTH -i $fibre_dev -j RETURN
		-A WANMARK_TRUTH -i $dsl_dev -j RETURN
		-A WANMARK_TRUTH -o $fibre_dev -m connmark --mark 0x1000000/0x3f000000 -j RETURN
		-A WANMARK_TRUTH -o $dsl_dev -m connmark --mark 0x2000000/0x3f000000 -j RETURN
		-A WANMARK_TRUTH -m connmark ! --mark 0x0/0x3f000000 -j CONNMARK --set-xmark 0x0/0x3f000000
		$(each "$exempt_4" "-A WANMARK_SAVE -m mark --mark @ -j RETURN")
		-A WANMARK_SAVE -m policy --dir out --pol ipsec -m conntrack --ctstate NEW -j CONNMARK --set-xmark 0x0/0x3f000000
		-A WANMARK_SAVE -m policy --dir out --pol ipsec -j RETURN
		-A WANMARK_SAVE -m conntrack --ctstate NEW -m addrtype --src-type LOCAL -j WANMARK_TRUTH
		-A WANMARK_SAVE -o $fibre_dev -m connmark --mark 0x0/0x3f000000 -j CONNMARK --set-xmark 0x1000000/0x3f000000
		-A WANMARK_SAVE -o $dsl_dev -m connmark --mark 0x0/0x3f000000 -j CONNMARK --set-xmark 0x2000000/0x3f000000
		-A WANMARK_SAVE -m mark ! --mark 0x0/0x3f000000 -m connmark --mark 0x0/0x3f000000 -m conntrack ! --ctstate NEW --ctdir REPLY -j CONNMARK --save-mark --nfmask 0x3f000000 --ctmask 0x3f000000
		-A WANMARK_CLEAR -j MARK --set-xmark 0x0/0x3f000000
		-A WANMARK_COUNT -m mark --mark 0x1000000/0x3f000000 -m comment --comment "wanmark fibre"
		-A WANMARK_COUNT -m mark --mark 0x2000000/0x3f000000 -m comment --comment "wanmark dsl"
		$kernel_4
		-A WANMARK_KERNEL -j CONNMARK --save-mark --nfmask 0x3f000000 --ctmask 0x3f000000
		-A PREROUTING -m comment --comment wanmark -j WANMARK
		-A FORWARD -m conntrack --ctstate NEW -m comment --comment wanmark -j WANMARK_TRUTH
		-A INPUT -m conntrack --ctstate NEW -m comment --comment wanmark -j WANMARK_TRUTH
		-A INPUT -m comment --comment wanmark -j WANMARK_COUNT
		-A INPUT -m comment --comment wanmark -j WANMARK_CLEAR
		-A OUTPUT -m comment --comment wanmark -j WANMARK_OUT
		-A POSTROUTING -m comment --comment wanmark -j WANMARK_SAVE
		-A POSTROUTING -m comment --comment wanmark -j WANMARK_COUNT
		COMMIT
	WANMARK
}

print_routes6() {
	route 6 1001 "$fibre_dev" "$fibre_gateway6" "$fibre_via6"
	own_route 6 1000
}

# The order: what others made, specific routes, the mark of a WAN, the addresses that a socket may be bound to.
print_rules6() {
	other_rules 6 20000 0x3f000000 0x1000000
	echo 'priority 20000 lookup main suppress_prefixlength 0'
	echo "priority 20000 fwmark 0x1000000/0x3f000000 iif $fibre_dev lookup main"
	echo 'priority 20001 fwmark 0x1000000/0x3f000000 lookup 1001'
	echo 'priority 20003 iif lo lookup 1000'
	for _end in $far_ends_6; do echo "priority 20000 to $_end iif lo ipproto 17 lookup main"; done
	{
		addresses 6 "$fibre_dev" 1001
	} | bound_rules 20002
}

# Our part of iptables' tables, as iptables-save prints it.
print_tables6() {
	cat <<-WANMARK
		*nat
		:WANMARK_NAT - [0:0]
		-A WANMARK_NAT -m policy --dir out --pol ipsec -j RETURN
		$(each "$excluded_6" "-A WANMARK_NAT -d @ -j RETURN")
		-A WANMARK_NAT -o $fibre_dev -j MASQUERADE
		-A POSTROUTING -m comment --comment wanmark -j WANMARK_NAT
		COMMIT
		*mangle
		:WANMARK - [0:0]
		:WANMARK_MARKED - [0:0]
		:WANMARK_TRANSLATED - [0:0]
		:WANMARK_OUT - [0:0]
		:WANMARK_NEW - [0:0]
		:WANMARK_TRUTH - [0:0]
		:WANMARK_SAVE - [0:0]
		:WANMARK_CLEAR - [0:0]
		:WANMARK_COUNT - [0:0]
		:WANMARK_KERNEL - [0:0]
		-A WANMARK -m mark ! --mark 0x0/0x3f000000 -j WANMARK_MARKED
		-A WANMARK -m mark --mark 0x0/0x3f000000 -m connmark ! --mark 0x3e000000/0x3f000000 -j CONNMARK --restore-mark --nfmask 0x3f000000 --ctmask 0x3f000000
		-A WANMARK -m mark ! --mark 0x0/0x3f000000 -j RETURN
		-A WANMARK -m conntrack --ctstate SNAT -j WANMARK_TRANSLATED
		-A WANMARK -m mark ! --mark 0x0/0x3f000000 -j RETURN
		$(each "$carriers_6" "-A WANMARK -i @ -m policy --dir in --pol ipsec -j RETURN")
		-A WANMARK -i $fibre_dev -m conntrack --ctstate NEW -j MARK --set-xmark 0x1000000/0x3f000000
		-A WANMARK -i $fibre_dev -m conntrack --ctstate NEW -j CONNMARK --set-xmark 0x1000000/0x3f000000
		-A WANMARK -i $fibre_dev -j RETURN
		-A WANMARK -m conntrack --ctstate NEW --ctdir ORIGINAL -g WANMARK_NEW
		$(each "$exempt_6" "-A WANMARK_MARKED -m mark --mark @ -j RETURN")
		-A WANMARK_MARKED -i $fibre_dev -j MARK --set-xmark 0x0/0x3f000000
		-A WANMARK_MARKED -m mark --mark 0x3e000000/0x3f000000 -j MARK --set-xmark 0x0/0x3f000000
		-A WANMARK_MARKED -m mark ! --mark 0x0/0x3f000000 -m connmark --mark 0x3e000000/0x3f000000 -m conntrack --ctstate NEW -j CONNMARK --save-mark --nfmask 0x3f000000 --ctmask 0x3f000000
		$(each "$own_of_fibre_6" "-A WANMARK_TRANSLATED -m conntrack --ctrepldst @ -j MARK --set-xmark 0x1000000/0x3f000000")
		$(each "$exempt_6" "-A WANMARK_OUT -m mark --mark @ -j RETURN")
		-A WANMARK_OUT -p 4 -g WANMARK_CLEAR
		-A WANMARK_OUT -p 41 -g WANMARK_CLEAR
		-A WANMARK_OUT -p 47 -g WANMARK_CLEAR
		-A WANMARK_OUT -p 50 -g WANMARK_CLEAR
		-A WANMARK_OUT -p 115 -g WANMARK_CLEAR
		$(each "$far_ends_6" "-A WANMARK_OUT -p 17 -d @ -g WANMARK_CLEAR")
		-A WANMARK_OUT -p udp --sport 546 --dport 547 -j RETURN
		-A WANMARK_OUT -m policy --dir out --pol ipsec -j RETURN
		-A WANMARK_OUT -m mark --mark 0x3e000000/0x3f000000 -j MARK --set-xmark 0x0/0x3f000000
		-A WANMARK_OUT -m mark ! --mark 0x0/0x3f000000 -m connmark --mark 0x3e000000/0x3f000000 -m conntrack --ctstate NEW -j CONNMARK --save-mark --nfmask 0x3f000000 --ctmask 0x3f000000
		-A WANMARK_OUT -m mark ! --mark 0x0/0x3f000000 -m connmark ! --mark 0x0/0x3f000000 -m connmark ! --mark 0x3e000000/0x3f000000 -j CONNMARK --restore-mark --nfmask 0x3f000000 --ctmask 0x3f000000
		-A WANMARK_OUT -m mark --mark 0x0/0x3f000000 -m connmark ! --mark 0x3e000000/0x3f000000 -j CONNMARK --restore-mark --nfmask 0x3f000000 --ctmask 0x3f000000
		-A WANMARK_OUT -m mark ! --mark 0x0/0x3f000000 -j RETURN
		-A WANMARK_OUT -m conntrack --ctstate SNAT -j WANMARK_TRANSLATED
		-A WANMARK_OUT -m mark ! --mark 0x0/0x3f000000 -j RETURN
		$(each "$bound_6" "-A WANMARK_OUT -o @ -j RETURN")
		-A WANMARK_OUT -m conntrack --ctstate NEW --ctdir ORIGINAL -g WANMARK_NEW
		$(each "$led_6" "-A WANMARK_NEW -m mark --mark @ -j RETURN")
		$(each "$specific_6" "-A WANMARK_NEW -d @ -j RETURN")
		-A WANMARK_NEW -m addrtype --dst-type LOCAL -j RETURN
		-A WANMARK_NEW -m addrtype ! --dst-type UNICAST -j RETURN
		-A WANMARK_NEW -m conntrack --ctstate NEW --ctdir ORIGINAL -g WANMARK_KERNEL
		-A WANMARK_TRUTH -i $fibre_dev -j RETURN
		-A WANMARK_TRUTH -o $fibre_dev -m connmark --mark 0x1000000/0x3f000000 -j RETURN
		-A WANMARK_TRUTH -m connmark ! --mark 0x0/0x3f000000 -j CONNMARK --set-xmark 0x0/0x3f000000
		$(each "$exempt_6" "-A WANMARK_SAVE -m mark --mark @ -j RETURN")
		-A WANMARK_SAVE -m policy --dir out --pol ipsec -m conntrack --ctstate NEW -j CONNMARK --set-xmark 0x0/0x3f000000
		-A WANMARK_SAVE -m policy --dir out --pol ipsec -j RETURN
		-A WANMARK_SAVE -m conntrack --ctstate NEW -m addrtype --src-type LOCAL -j WANMARK_TRUTH
		-A WANMARK_SAVE -o $fibre_dev -m connmark --mark 0x0/0x3f000000 -j CONNMARK --set-xmark 0x1000000/0x3f000000
		-A WANMARK_SAVE -m mark ! --mark 0x0/0x3f000000 -m connmark --mark 0x0/0x3f000000 -m conntrack ! --ctstate NEW --ctdir REPLY -j CONNMARK --save-mark --nfmask 0x3f000000 --ctmask 0x3f000000
		-A WANMARK_CLEAR -j MARK --set-xmark 0x0/0x3f000000
		-A WANMARK_COUNT -m mark --mark 0x1000000/0x3f000000 -m comment --comment "wanmark fibre"
		$kernel_6
		-A WANMARK_KERNEL -j CONNMARK --save-mark --nfmask 0x3f000000 --ctmask 0x3f000000
		-A PREROUTING -m comment --comment wanmark -j WANMARK
		-A FORWARD -m conntrack --ctstate NEW -m comment --comment wanmark -j WANMARK_TRUTH
		-A INPUT -m conntrack --ctstate NEW -m comment --comment wanmark -j WANMARK_TRUTH
		-A INPUT -m comment --comment wanmark -j WANMARK_COUNT
		-A INPUT -m comment --comment wanmark -j WANMARK_CLEAR
		-A OUTPUT -m comment --comment wanmark -j WANMARK_OUT
		-A POSTROUTING -m comment --comment wanmark -j WANMARK_SAVE
		-A POSTROUTING -m comment --comment wanmark -j WANMARK_COUNT
		COMMIT
	WANMARK
}

look() {
	fibre_gateway4=$(gateway 4 "$fibre_dev" "$fibre_via")
	dsl_gateway4=$(gateway 4 "$dsl_dev" "$dsl_via")
	own_source=$(own_source "$fibre_dev" "$dsl_dev")
	specific_4=$(networks 4 "$exclude")
	excluded_4=$(of_family 4 "$exclude")
	exempt_4=$(exempt_marks 4 0x3f000000)
	far_ends_4=$(far_ends 4 "$fibre_dev" "$dsl_dev")
	led_4=$(led_marks 4 0x3f000000)
	bound_4=$(not_default 4 "$fibre_dev" "$dsl_dev")
	carriers_4=$(carriers "$fibre_dev" "$dsl_dev")
	own_of_fibre_4=$(addresses_of 4 "$fibre_dev")
	own_of_dsl_4=$(addresses_of 4 "$dsl_dev")
	kernel_4=$(choose WANMARK_KERNEL 0x3f000000 0x0 '' "1 0x1000000 $fibre_weight ${fibre_gateway4:-none}" "1 0x2000000 $dsl_weight ${dsl_gateway4:-none}")
	routes4=$(print_routes4)
	rules4=$(print_rules4)
	tables4=$(print_tables4 | as_matched "$iptables")
	fibre_gateway6=$(gateway 6 "$fibre_dev" "$fibre_via6")
	specific_6=$(networks 6 fe80::/10 "$exclude")
	excluded_6=$(of_family 6 "$exclude")
	exempt_6=$(exempt_marks 6 0x3f000000)
	far_ends_6=$(far_ends 6 "$fibre_dev" "$dsl_dev")
	led_6=$(led_marks 6 0x3f000000)
	bound_6=$(not_default 6 "$fibre_dev")
	carriers_6=$(carriers "$fibre_dev")
	own_of_fibre_6=$(addresses_of 6 "$fibre_dev")
	kernel_6=$(choose WANMARK_KERNEL 0x3f000000 0x0 '' "1 0x1000000 $fibre_weight ${fibre_gateway6:-none}")
	routes6=$(print_routes6)
	rules6=$(print_rules6)
	tables6=$(print_tables6 | as_matched "$ip6tables")
}

# up: checks everything that can be checked before anything is changed.
up() {
	check_weights "$fibre_weight" "$dsl_weight"
	look
	test_tables "$iptables" "$tables4"
	test_tables "$ip6tables" "$tables6"
	old_routes4=$(routes_there 4)
	old_rules4=$(rules_there 4)
	old_tables4=$(ours "$iptables")
	old_routes6=$(routes_there 6)
	old_rules6=$(rules_there 6)
	old_tables6=$(ours "$ip6tables")
	undo=1 fresh=1
	[ ! -e "$state" ] || fresh=
	: >>"$state"
	note_tables "$iptables" "$tables4"
	note_tables "$ip6tables" "$tables6"
	valid_mark "$fibre_dev" "$dsl_dev"
	put 4 "$iptables" "$routes4" "$rules4" "$tables4"
	put 6 "$ip6tables" "$routes6" "$rules6" "$tables6"
	ip -6 route flush cache
	undo=
	[ -z "$fresh" ] || begun_before 0/0x3f000000 0x1000000/0x3f000000 0x2000000/0x3f000000
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
	put 6 "$ip6tables" '' '' "$_nothing"
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
		put 6 "$ip6tables" "$old_routes6" "$old_rules6" "$old_tables6"
		[ -z "$fresh" ] || forget
	fi
	[ "$_code" = 0 ] || exit 1
}

# --- how it is found out and done ------------------------------------------

# networks FAMILY NETWORK...: prints the networks that the main table reaches by more than its default route, and
# those NETWORKs that are of the family. A throw route (type 9 with -N) asks the next table, so it is not a
# destination. NETWORK fe80::/10 stands for the link-local networks of all devices.
networks() {
	_family=$1
	shift
	_main=$(ip -N "-$_family" route show table main) || return 1
	{ echo "$*" | tr ' ' '\n' && printf '%s\n' "$_main"; } | awk -v family="$_family" '
		/^[ \t]/ || $1 == "throw" || $1 == "9" { next }
		$1 ~ /^([a-z]+|[0-9]+)$/ && NF > 1 && $1 != "default" { $1 = $2 }
		$1 ~ /^fe80:/ && $1 != "fe80::/10" { next }
		$1 != "default" && $1 != "" && ($1 ~ /:/) == (family == 6) { print $1 }' | sort -u
}

# of_family FAMILY NETWORKS: prints those of the NETWORKS that are of the family.
of_family() {
	echo "$2" | tr ' ' '\n' | awk -v family="$1" '$1 != "" && ($1 ~ /:/) == (family == 6)'
}

# default_routes FAMILY: prints "METRIC DEVICE GATEWAY" for each way of the main table's default routes. The gateway
# is "dev" for a way that needs none, and "none" for a way that does not work.
default_routes() {
	_main=$(ip -N "-$1" route show table main) || return 1
	printf '%s\n' "$_main" | awk '
		/^[^ \t]/ { inside = $1 == "default"; metric = 0 }
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
}

# is_neighbour FAMILY DEVICE GATEWAY: whether the device reaches the gateway directly. An ip rule of somebody else for
# the device (oif) may answer before main, whose own routes by the device then say so.
is_neighbour() {
	case $(ip "-$1" route get fibmatch "$3" oif "$2" 2>/dev/null) in
	local* | broadcast*) return 1 ;;
	'' | default* | unreachable* | *' via '*) ;;
	*) return 0 ;;
	esac
	ip "-$1" route show table main dev "$2" match "$3" type unicast 2>/dev/null | grep -Eqv '^default| via '
}

# gateway FAMILY DEVICE GIVEN: prints the gateway to use at the moment, dev for a device that needs none, or nothing
# while the WAN cannot be used. A gateway found by auto is not checked, since the main table uses it.
gateway() {
	_link=$(ip -o link show dev "$2" 2>/dev/null) || :
	case $_link in *[\<,]UP[,\>]*) ;; *) return 0 ;; esac
	if [ "$3" = auto ]; then
		_ways=$(default_routes "$1") || return 1
		_found=$(printf '%s\n' "$_ways" | awk -v device="$2" '
			$2 == device && $3 != "none" && (!found || $1 < least) { found = $3; least = $1 }
			END { print found }')
		# A point-to-point device with an address needs no gateway.
		case $_found:$_link in :*[\<,]POINTOPOINT[,\>]*)
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
}

# not_default FAMILY DEVICE...: prints the devices that do not carry the main table's default route.
not_default() {
	_ways=$(default_routes "$1") || return 1
	_defaults=$(printf '%s\n' "$_ways" | awk '
		NR == 1 || $1 < least { least = $1; all = " " }
		$1 == least { all = all $2 " " }
		END { print all }')
	shift
	for _device in "$@"; do
		case $_defaults in *" $_device "*) ;; *) echo "$_device" ;; esac
	done
}

# carriers DEVICE...: prints the devices at which no IPsec ends. What came out of IPsec has the device that carried it.
carriers() {
	for _device in "$@"; do
		case $(ip -d -o link show dev "$_device" 2>/dev/null) in *' xfrm '* | *' vti '* | *' vti6 '*) ;; *) echo "$_device" ;; esac
	done
}

# addresses_of FAMILY DEVICE: prints the addresses of the device, without those of the link.
addresses_of() {
	ip -o "-$1" addr show dev "$2" scope global 2>/dev/null | awk '{ sub(/\/.*/, "", $4); print $4 }'
}

# addresses FAMILY DEVICE TABLE [GATEWAY]: prints "ADDRESS TABLE" for each address of the device; with a GATEWAY, only
# for addresses on its network, since the device has several gateways.
addresses() {
	_network=$([ -z "${4-}" ] || ip -N "-$1" route get fibmatch "$4" oif "$2" 2>/dev/null) || :
	# shellcheck disable=SC2086 # two words or none
	ip -o "-$1" addr show dev "$2" scope global ${4:+to ${_network%% *}} 2>/dev/null |
		awk -v table="$3" '{ sub(/\/.*/, "", $4); print $4, table }'
}

# bound_rules PRIORITY: reads "ADDRESS TABLE" lines and prints an ip rule for each address that has only one table.
bound_rules() {
	sort -u | awk -v priority="$1" '
		{ line[NR] = "priority " priority " from " $1 " lookup " $2; address[NR] = $1; owners[$1]++ }
		END { for (i = 1; i <= NR; i++) if (owners[address[i]] == 1) print line[i] }'
}

# route FAMILY TABLE DEVICE GATEWAY GIVEN: prints the default route of a WAN's table. While the WAN cannot be used the
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
}

# own_route FAMILY TABLE [SOURCE]: prints a copy of the main table's default route for the router's own packets. What their
# IPv6 sockets learn, such as a path MTU, then stands beside that copy; beside main's route it would win over the tables
# of the WANs.
own_route() {
	default_routes "$1" | awk -v table="$2" -v source="${3-}" '
		$3 != "none" && (!found || $1 < least) { found = 1; least = $1; device = $2; gateway = $3 }
		END {
			if (!found) exit
			via = gateway == "dev" ? "" : " via " gateway
			src = source == "" ? "" : " src " source
			print "default" via " dev " device src (via == "" ? "" : " onlink") " table " table
		}'
}

# own_source DEVICE...: prints a private address of a device that is none of these and has no far end. It is the source of
# the router's own TCP connections until NAT replaces it: the address of a WAN may go, and would take those of all other
# WANs along. Nothing where somebody routes by source, since that is about the LAN.
own_source() {
	[ -z "$exclude" ] || return 0
	[ -z "$(rules_of_others 4 0 | awk '$3 == "from" || $4 == "from" && $5 != "all"')" ] || return 0
	ip -o -4 addr show scope global | awk -v wans=" $* " '
		index(wans, " " $2 " ") || / peer / { next }
		$4 ~ /^(10|192\.168|172\.(1[6-9]|2[0-9]|3[01]))\./ { sub(/\/.*/, "", $4); print $4; exit }'
}

# other_rules FAMILY PRIORITY MASK VALUE...: prints a copy of each ip rule of others that stands behind ours and before
# main's, to stand before ours, so that it leads where it led without us. Those that ask for a whole mark leave our MASK
# out; those that ask for one of our VALUEs are named and left.
other_rules() {
	_family=$1 _priority=$2 _mask=$3
	shift 3
	rules_of_others "$_family" "$_priority" | while read -r _stands _number _rule; do
		_ignores=''
		case $_rule in *'fwmark '*)
			_value=${_rule#*fwmark } && _value=${_value%% *}
			_bits=${_value#*/} _value=${_value%/*}
			_hit=''
			for _ours in "$@"; do [ $(((_ours ^ _value) & _mask & _bits)) != 0 ] || _hit=1; done
			if [ $((_mask & _bits)) != 0 ]; then
				[ -z "$_hit" ] || { say "ip -$_family rule $_number '$_rule' of somebody else asks for one of our marks" && continue; }
				[ $((_value & _mask)) != 0 ] || [ $((_value)) = 0 ] || _ignores=1
			fi
			[ -z "$_ignores" ] ||
				_rule="${_rule%%fwmark *}fwmark $_value/$(printf '0x%x' $((_bits & ~_mask))) ${_rule#*fwmark * }"
			;;
		esac
		case $_stands:$_rule in
		before:'lookup main') say "ip -$_family rule $_number '$_rule' of somebody else takes every connection" ;;
		esac
		case $_stands:$_ignores in before:) ;; *) printf '%s\n' "$_rule" ;; esac
	done | awk -v end="$_priority" '
		{ rule[NR] = $0 }
		END { for (i = 1; i <= NR; i++) print "priority " end - NR + i - 1, rule[i] }'
}

# rules_of_others FAMILY PRIORITY: prints "before PRIORITY RULE" or "behind PRIORITY RULE" for each ip rule of others that
# is asked before main's and can be copied; a mark has its mask.
rules_of_others() {
	ip -N "-$1" rule show | awk -v ours="$2" -v respect="$respect_marks" '
		/ proto 119$/ { next }
		{
			priority = $1 + 0
			sub(/^[0-9]*:[ \t]*/, "")
			sub(/^from all /, "")
			sub(/ proto [^ ]*$/, "")
			gsub(/ \[detached\]/, "")
			sub(/ipproto ipproto-/, "ipproto ")
			sub(/lookup 254/, "lookup main")
			if (!/lookup/) { sub(/ 6$/, " blackhole"); sub(/ 7$/, " unreachable"); sub(/ 8$/, " prohibit") }
			if (/fwmark 0x[0-9a-f]* /) sub(/fwmark 0x[0-9a-f]*/, "&/0xffffffff")
		}
		respect == "off" && /fwmark/ && !/^not / { next }
		priority == 0 || /goto|nop|l3mdev|realms|tun_id/ { next }
		priority >= ours && $0 == "lookup main" { exit }
		{ print (priority < ours ? "before" : "behind"), priority, $0 }'
}

# exempt_marks FAMILY MASK: prints the whole marks that ip rules of others exempt, such as 51820 with "not fwmark 51820":
# what a tunnel itself sends would go into the tunnel if we changed its mark.
exempt_marks() {
	rules_of_others "$1" 0 | sed -n 's/^behind [0-9]* not .*fwmark \([^ ]*\) .*/\1/p' | while read -r _mark; do
		[ $((${_mark#*/} & $2)) = 0 ] || echo "$_mark"
	done | sort -u
}

# led_marks FAMILY MASK: prints the marks that ip rules of others lead to tables of theirs, or refuse, without our MASK: what
# has such a mark is left to them. A table without a default route may leave the packet to later rules.
led_marks() {
	rules_of_others "$1" 0 | while read -r _stands _number _word _mark _action _table _more; do
		case $_word:$_more in fwmark:) ;; *) continue ;; esac
		_value=${_mark%/*} _bits=${_mark#*/}
		[ $((_value & _bits & $2)) = 0 ] || continue
		[ $((_bits & ~$2)) != 0 ] || continue
		case $_action in
		lookup) ip -N "-$1" route show table "$_table" 2>/dev/null | grep -Eq '^([a-z]+ )?default' || continue ;;
		esac
		printf '%s/0x%x\n' "$_value" $((_bits & ~$2))
	done | sort -u
}

# far_ends FAMILY DEVICE...: prints the far ends of the devices that are tunnels. What such a tunnel sends itself must not be led
# into it.
far_ends() {
	_family=$1
	shift
	for _device in "$@"; do
		ip -d -o link show dev "$_device" 2>/dev/null | sed -n 's/.* remote \([^ ]*\) .*/\1/p'
		_tunnel=$(ip l2tp show session 2>/dev/null |
			awk -v device="$_device" '/^Session/ { tunnel = $5 } /interface name:/ && $3 == device { print tunnel }')
		[ -z "$_tunnel" ] || ip l2tp show tunnel tunnel_id "$_tunnel" | awk '/ From / { print $4 }'
		wg show "$_device" endpoints 2>/dev/null | awk '{ sub(/:[0-9]+$/, "", $2); gsub(/[][]/, "", $2); print $2 }'
	done | awk -v family="$_family" '
		/^[0-9a-f.:]+$/ && ($1 ~ /:/) == (family == 6) && !/^(0\.0\.0\.0|::|22[4-9]\.|23[0-9]\.|ff)/' | sort -u
}

# each LIST RULE: prints the rule once for each word of the list, which replaces the @.
each() {
	for _one in $1; do printf '%s\n' "${2%%@*}$_one${2#*@}"; done
}

# as_matched PROGRAM: reads tables and prints them without the rules that ask for IPsec, where PROGRAM or the kernel
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

# valid_mark DEVICE...: makes strict rp_filter look up the way back with the packet's mark. The old value is kept for
# down. The kernel takes the larger rp_filter of all and the device, and either's src_valid_mark.
valid_mark() {
	_all=/proc/sys/net/ipv4/conf/all
	for _device in "$@"; do
		_file=/proc/sys/net/ipv4/conf/$_device/src_valid_mark
		_before=$(cat "$_file" 2>/dev/null) || continue
		case $(cat "$_all/rp_filter" "${_file%/*}/rp_filter" | sort -n | tail -n 1):$(cat "$_all/src_valid_mark"):$_before in
		1:0:0) ;;
		*) continue ;;
		esac
		grep -qsF "$_file " "$state" || echo "$_file $_before" >>"$state"
		echo 1 >"$_file"
	done
}

# begun_before MARK/MASK...: makes conntrack forget the UDP flows with these marks that have no answer and are not
# translated. They began before the rules were there, so they would not be for as long as they go on. Needs conntrack(8).
begun_before() {
	command -v conntrack >/dev/null || return 0
	for _mark in "$@"; do
		for _family in ipv4 ipv6; do conntrack -L -f "$_family" -p udp --mark "$_mark" 2>/dev/null || :; done
	done | awk '
		/\[UNREPLIED\]/ {
			n = 0
			for (i = 1; i <= NF; i++) if (split($i, part, "=") == 2 && part[1] ~ /^(src|dst|sport|dport)$/) value[++n] = part[2]
			if (n == 8 && value[1] == value[6] && value[2] == value[5]) print value[1], value[2], value[3], value[4]
		}' | while read -r _source _destination _from _to; do
		conntrack -D -p udp -s "$_source" -d "$_destination" --sport "$_from" --dport "$_to" >/dev/null 2>&1 || :
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
need ip awk flock "$iptables" "$iptables-save" "$iptables-restore" "$ip6tables" "$ip6tables-save" "$ip6tables-restore"
trap finish EXIT
trap 'exit 1' HUP INT TERM
lock
"${1-up}"
