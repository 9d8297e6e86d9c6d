#!/bin/sh
# Balances connections over fibre and dsl.
# The kernel chooses.
#
# Printed by wanmark; needs iproute2 and nft 0.9.6 or newer, but not wanmark. As root:
#
#   sh FILE [up]     sets everything up; run it again after a change of the settings below. The router must forward
#                    already: sysctl net.ipv4.ip_forward=1
#   sh FILE refresh  for hooks: brings it up to date when addresses, gateways or routes may have changed
#   sh FILE down     removes everything
#
# When a step fails, everything goes back to what it was. Exit codes: 0 done, 1 the machine refused, 2 wrong usage.
#
# Everything it makes can be recognised: the table inet wanmark, ip rules and routes of
# protocol 119. A connection's mark says which WAN it belongs to; bits outside the mask are left as they are.
set -eu
# A lock that others can read can be taken by them, and the state names programs that run as root.
umask 077
# nft takes the hours of a rule to be of the time zone, and ours are in UTC.
TZ=UTC
export TZ
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

# Our table, as nft lists it.
print_table() {
	cat <<-WANMARK
		table inet wanmark {
			counter fibre_4 { }
			counter dsl_4 { }
			counter fibre_6 { }
			set specific_4 {
				type ipv4_addr; flags interval;
				$(elements "$specific_4")
			}
			set excluded_4 {
				type ipv4_addr; flags interval;
				$(elements "$excluded_4")
			}
			set far_ends_4 {
				type ipv4_addr; flags interval;
				$(elements "$far_ends_4")
			}
			set own_of_fibre_4 {
				type ipv4_addr; flags interval;
				$(elements "$own_of_fibre_4")
			}
			set own_of_dsl_4 {
				type ipv4_addr; flags interval;
				$(elements "$own_of_dsl_4")
			}
			set specific_6 {
				type ipv6_addr; flags interval;
				$(elements "$specific_6")
			}
			set excluded_6 {
				type ipv6_addr; flags interval;
				$(elements "$excluded_6")
			}
			set far_ends_6 {
				type ipv6_addr; flags interval;
				$(elements "$far_ends_6")
			}
			set own_of_fibre_6 {
				type ipv6_addr; flags interval;
				$(elements "$own_of_fibre_6")
			}
			chain connmark_0x00000000/0x3f000000 {
				ct mark set ct mark & 0xc0ffffff | 0x00000000
			}
			chain connmark_0x01000000/0x3f000000 {
				ct mark set ct mark & 0xc0ffffff | 0x01000000
			}
			chain connmark_0x02000000/0x3f000000 {
				ct mark set ct mark & 0xc0ffffff | 0x02000000
			}
			chain connmark_0x3e000000/0x3f000000 {
				ct mark set ct mark & 0xc0ffffff | 0x3e000000
			}
			chain mark_0x00000000/0x3f000000 {
				meta mark set meta mark & 0xc0ffffff | 0x00000000
			}
			chain mark_0x01000000/0x3f000000 {
				meta mark set meta mark & 0xc0ffffff | 0x01000000
			}
			chain mark_0x02000000/0x3f000000 {
				meta mark set meta mark & 0xc0ffffff | 0x02000000
			}
			chain mark_0x3e000000/0x3f000000 {
				meta mark set meta mark & 0xc0ffffff | 0x3e000000
			}
			chain restore/0x3f000000 {
				ct mark & 0x3f000000 vmap { 0x00000000 : goto mark_0x00000000/0x3f000000, 0x01000000 : goto mark_0x01000000/0x3f000000, 0x02000000 : goto mark_0x02000000/0x3f000000, 0x3e000000 : goto mark_0x3e000000/0x3f000000 }
				meta mark set meta mark & 0xc0ffffff | 0x00000000
				ct mark & 0x01000000 == 0x01000000 meta mark set meta mark | 0x01000000
				ct mark & 0x02000000 == 0x02000000 meta mark set meta mark | 0x02000000
				ct mark & 0x04000000 == 0x04000000 meta mark set meta mark | 0x04000000
				ct mark & 0x08000000 == 0x08000000 meta mark set meta mark | 0x08000000
				ct mark & 0x10000000 == 0x10000000 meta mark set meta mark | 0x10000000
				ct mark & 0x20000000 == 0x20000000 meta mark set meta mark | 0x20000000
			}
			chain save/0x3f000000 {
				meta mark & 0x3f000000 vmap { 0x00000000 : goto connmark_0x00000000/0x3f000000, 0x01000000 : goto connmark_0x01000000/0x3f000000, 0x02000000 : goto connmark_0x02000000/0x3f000000, 0x3e000000 : goto connmark_0x3e000000/0x3f000000 }
				ct mark set ct mark & 0xc0ffffff | 0x00000000
				meta mark & 0x01000000 == 0x01000000 ct mark set ct mark | 0x01000000
				meta mark & 0x02000000 == 0x02000000 ct mark set ct mark | 0x02000000
				meta mark & 0x04000000 == 0x04000000 ct mark set ct mark | 0x04000000
				meta mark & 0x08000000 == 0x08000000 ct mark set ct mark | 0x08000000
				meta mark & 0x10000000 == 0x10000000 ct mark set ct mark | 0x10000000
				meta mark & 0x20000000 == 0x20000000 ct mark set ct mark | 0x20000000
			}
			chain nat4.WANMARK_NAT {
				rt ipsec exists return
				ip daddr @excluded_4 return
				oifname "$fibre_dev" masquerade
				oifname "$dsl_dev" masquerade
			}
			chain mangle4.WANMARK {
				meta mark & 0x3f000000 != 0x00000000 jump mangle4.WANMARK_MARKED
				meta mark & 0x3f000000 == 0x00000000 ct mark & 0x3f000000 != 0x3e000000 jump restore/0x3f000000
				meta mark & 0x3f000000 != 0x00000000 return
				ct status & snat == snat jump mangle4.WANMARK_TRANSLATED
				meta mark & 0x3f000000 != 0x00000000 return
				$(any_of "$carriers_4" "iifname <> meta ipsec exists return")
				iifname "$fibre_dev" ct state new jump mark_0x01000000/0x3f000000
				iifname "$fibre_dev" ct state new jump connmark_0x01000000/0x3f000000
				iifname "$dsl_dev" ct state new jump mark_0x02000000/0x3f000000
				iifname "$dsl_dev" ct state new jump connmark_0x02000000/0x3f000000
				iifname "$fibre_dev" return
				iifname "$dsl_dev" return
				ct state new ct direction original goto mangle4.WANMARK_NEW
			}
			chain mangle4.WANMARK_MARKED {
				$(each_mark "$exempt_4" "<> return")
				iifname "$fibre_dev" jump mark_0x00000000/0x3f000000
				iifname "$dsl_dev" jump mark_0x00000000/0x3f000000
				meta mark & 0x3f000000 == 0x3e000000 jump mark_0x00000000/0x3f000000
				meta mark & 0x3f000000 != 0x00000000 ct mark & 0x3f000000 == 0x3e000000 ct state new jump save/0x3f000000
			}
			chain mangle4.WANMARK_TRANSLATED {
				ct reply ip daddr @own_of_fibre_4 jump mark_0x01000000/0x3f000000
				ct reply ip daddr @own_of_dsl_4 jump mark_0x02000000/0x3f000000
			}
			chain mangle4.WANMARK_OUT {
				$(each_mark "$exempt_4" "<> return")
				meta l4proto 4 goto mangle4.WANMARK_CLEAR
				meta l4proto 41 goto mangle4.WANMARK_CLEAR
				meta l4proto 47 goto mangle4.WANMARK_CLEAR
				meta l4proto 50 goto mangle4.WANMARK_CLEAR
				meta l4proto 115 goto mangle4.WANMARK_CLEAR
				meta l4proto 51 goto mangle4.WANMARK_CLEAR
				meta l4proto 17 ip daddr @far_ends_4 goto mangle4.WANMARK_CLEAR
				udp sport 68 udp dport 67 return
				rt ipsec exists return
				meta mark & 0x3f000000 == 0x3e000000 jump mark_0x00000000/0x3f000000
				meta mark & 0x3f000000 != 0x00000000 ct mark & 0x3f000000 == 0x3e000000 ct state new jump save/0x3f000000
				meta mark & 0x3f000000 != 0x00000000 ct mark & 0x3f000000 != 0x00000000 ct mark & 0x3f000000 != 0x3e000000 jump restore/0x3f000000
				meta mark & 0x3f000000 == 0x00000000 ct mark & 0x3f000000 != 0x3e000000 jump restore/0x3f000000
				meta mark & 0x3f000000 != 0x00000000 return
				ct status & snat == snat jump mangle4.WANMARK_TRANSLATED
				meta mark & 0x3f000000 != 0x00000000 return
				$(any_of "$bound_4" "oifname <> return")
				ct state new ct direction original goto mangle4.WANMARK_NEW
			}
			chain mangle4.WANMARK_NEW {
				$(each_mark "$led_4" "<> return")
				ip daddr @specific_4 return
				fib daddr type local return
				fib daddr type != unicast return
				ct state new ct direction original goto mangle4.WANMARK_KERNEL
			}
			chain mangle4.WANMARK_TRUTH {
				iifname "$fibre_dev" return
				iifname "$dsl_dev" return
				oifname "$fibre_dev" ct mark & 0x3f000000 == 0x01000000 return
				oifname "$dsl_dev" ct mark & 0x3f000000 == 0x02000000 return
				ct mark & 0x3f000000 != 0x00000000 jump connmark_0x00000000/0x3f000000
			}
			chain mangle4.WANMARK_SAVE {
				$(each_mark "$exempt_4" "<> return")
				rt ipsec exists ct state new jump connmark_0x00000000/0x3f000000
				rt ipsec exists return
				ct state new fib saddr type local jump mangle4.WANMARK_TRUTH
				oifname "$fibre_dev" ct mark & 0x3f000000 == 0x00000000 jump connmark_0x01000000/0x3f000000
				oifname "$dsl_dev" ct mark & 0x3f000000 == 0x00000000 jump connmark_0x02000000/0x3f000000
				meta mark & 0x3f000000 != 0x00000000 ct mark & 0x3f000000 == 0x00000000 ct state != new ct direction reply jump save/0x3f000000
			}
			chain mangle4.WANMARK_CLEAR {
				jump mark_0x00000000/0x3f000000
			}
			chain mangle4.WANMARK_COUNT {
				meta mark & 0x3f000000 == 0x01000000 counter name "fibre_4" comment "wanmark fibre"
				meta mark & 0x3f000000 == 0x02000000 counter name "dsl_4" comment "wanmark dsl"
			}
			chain mangle4.WANMARK_KERNEL {
				$kernel_4
				jump save/0x3f000000
			}
			chain nat6.WANMARK_NAT {
				rt ipsec exists return
				ip6 daddr @excluded_6 return
				oifname "$fibre_dev" masquerade
			}
			chain mangle6.WANMARK {
				meta mark & 0x3f000000 != 0x00000000 jump mangle6.WANMARK_MARKED
				meta mark & 0x3f000000 == 0x00000000 ct mark & 0x3f000000 != 0x3e000000 jump restore/0x3f000000
				meta mark & 0x3f000000 != 0x00000000 return
				ct status & snat == snat jump mangle6.WANMARK_TRANSLATED
				meta mark & 0x3f000000 != 0x00000000 return
				$(any_of "$carriers_6" "iifname <> meta ipsec exists return")
				iifname "$fibre_dev" ct state new jump mark_0x01000000/0x3f000000
				iifname "$fibre_dev" ct state new jump connmark_0x01000000/0x3f000000
				iifname "$fibre_dev" return
				ct state new ct direction original goto mangle6.WANMARK_NEW
			}
			chain mangle6.WANMARK_MARKED {
				$(each_mark "$exempt_6" "<> return")
				iifname "$fibre_dev" jump mark_0x00000000/0x3f000000
				meta mark & 0x3f000000 == 0x3e000000 jump mark_0x00000000/0x3f000000
				meta mark & 0x3f000000 != 0x00000000 ct mark & 0x3f000000 == 0x3e000000 ct state new jump save/0x3f000000
			}
			chain mangle6.WANMARK_TRANSLATED {
				ct reply ip6 daddr @own_of_fibre_6 jump mark_0x01000000/0x3f000000
			}
			chain mangle6.WANMARK_OUT {
				$(each_mark "$exempt_6" "<> return")
				meta l4proto 4 goto mangle6.WANMARK_CLEAR
				meta l4proto 41 goto mangle6.WANMARK_CLEAR
				meta l4proto 47 goto mangle6.WANMARK_CLEAR
				meta l4proto 50 goto mangle6.WANMARK_CLEAR
				meta l4proto 115 goto mangle6.WANMARK_CLEAR
				meta l4proto 17 ip6 daddr @far_ends_6 goto mangle6.WANMARK_CLEAR
				udp sport 546 udp dport 547 return
				rt ipsec exists return
				meta mark & 0x3f000000 == 0x3e000000 jump mark_0x00000000/0x3f000000
				meta mark & 0x3f000000 != 0x00000000 ct mark & 0x3f000000 == 0x3e000000 ct state new jump save/0x3f000000
				meta mark & 0x3f000000 != 0x00000000 ct mark & 0x3f000000 != 0x00000000 ct mark & 0x3f000000 != 0x3e000000 jump restore/0x3f000000
				meta mark & 0x3f000000 == 0x00000000 ct mark & 0x3f000000 != 0x3e000000 jump restore/0x3f000000
				meta mark & 0x3f000000 != 0x00000000 return
				ct status & snat == snat jump mangle6.WANMARK_TRANSLATED
				meta mark & 0x3f000000 != 0x00000000 return
				$(any_of "$bound_6" "oifname <> return")
				ct state new ct direction original goto mangle6.WANMARK_NEW
			}
			chain mangle6.WANMARK_NEW {
				$(each_mark "$led_6" "<> return")
				ip6 daddr @specific_6 return
				fib daddr type local return
				fib daddr type != unicast return
				ct state new ct direction original goto mangle6.WANMARK_KERNEL
			}
			chain mangle6.WANMARK_TRUTH {
				iifname "$fibre_dev" return
				oifname "$fibre_dev" ct mark & 0x3f000000 == 0x01000000 return
				ct mark & 0x3f000000 != 0x00000000 jump connmark_0x00000000/0x3f000000
			}
			chain mangle6.WANMARK_SAVE {
				$(each_mark "$exempt_6" "<> return")
				rt ipsec exists ct state new jump connmark_0x00000000/0x3f000000
				rt ipsec exists return
				ct state new fib saddr type local jump mangle6.WANMARK_TRUTH
				oifname "$fibre_dev" ct mark & 0x3f000000 == 0x00000000 jump connmark_0x01000000/0x3f000000
				meta mark & 0x3f000000 != 0x00000000 ct mark & 0x3f000000 == 0x00000000 ct state != new ct direction reply jump save/0x3f000000
			}
			chain mangle6.WANMARK_CLEAR {
				jump mark_0x00000000/0x3f000000
			}
			chain mangle6.WANMARK_COUNT {
				meta mark & 0x3f000000 == 0x01000000 counter name "fibre_6" comment "wanmark fibre"
			}
			chain mangle6.WANMARK_KERNEL {
				$kernel_6
				jump save/0x3f000000
			}
			chain mangle4.PREROUTING {
				jump mangle4.WANMARK
			}
			chain mangle4.INPUT {
				ct state new jump mangle4.WANMARK_TRUTH
				jump mangle4.WANMARK_COUNT
				jump mangle4.WANMARK_CLEAR
			}
			chain mangle4.FORWARD {
				ct state new jump mangle4.WANMARK_TRUTH
			}
			chain mangle4.POSTROUTING {
				jump mangle4.WANMARK_SAVE
				jump mangle4.WANMARK_COUNT
			}
			chain mangle4.OUTPUT {
				jump mangle4.WANMARK_OUT
			}
			chain nat4.PREROUTING {
			}
			chain nat4.OUTPUT {
			}
			chain nat4.POSTROUTING {
				jump nat4.WANMARK_NAT
			}
			chain mangle6.PREROUTING {
				jump mangle6.WANMARK
			}
			chain mangle6.INPUT {
				ct state new jump mangle6.WANMARK_TRUTH
				jump mangle6.WANMARK_COUNT
				jump mangle6.WANMARK_CLEAR
			}
			chain mangle6.FORWARD {
				ct state new jump mangle6.WANMARK_TRUTH
			}
			chain mangle6.POSTROUTING {
				jump mangle6.WANMARK_SAVE
				jump mangle6.WANMARK_COUNT
			}
			chain mangle6.OUTPUT {
				jump mangle6.WANMARK_OUT
			}
			chain nat6.PREROUTING {
			}
			chain nat6.OUTPUT {
			}
			chain nat6.POSTROUTING {
				jump nat6.WANMARK_NAT
			}
			chain mangle.PREROUTING {
				type filter hook prerouting priority -151; policy accept;
				meta nfproto vmap { ipv4 : jump mangle4.PREROUTING, ipv6 : jump mangle6.PREROUTING }
			}
			chain mangle.INPUT {
				type filter hook input priority -151; policy accept;
				meta nfproto vmap { ipv4 : jump mangle4.INPUT, ipv6 : jump mangle6.INPUT }
			}
			chain mangle.FORWARD {
				type filter hook forward priority -151; policy accept;
				meta nfproto vmap { ipv4 : jump mangle4.FORWARD, ipv6 : jump mangle6.FORWARD }
			}
			chain mangle.POSTROUTING {
				type filter hook postrouting priority -151; policy accept;
				meta nfproto vmap { ipv4 : jump mangle4.POSTROUTING, ipv6 : jump mangle6.POSTROUTING }
			}
			chain mangle.OUTPUT {
				type route hook output priority -151; policy accept;
				meta nfproto vmap { ipv4 : jump mangle4.OUTPUT, ipv6 : jump mangle6.OUTPUT }
			}
			chain nat.PREROUTING {
				type nat hook prerouting priority -101; policy accept;
				meta nfproto vmap { ipv4 : jump nat4.PREROUTING, ipv6 : jump nat6.PREROUTING }
			}
			chain nat.OUTPUT {
				type nat hook output priority -101; policy accept;
				meta nfproto vmap { ipv4 : jump nat4.OUTPUT, ipv6 : jump nat6.OUTPUT }
			}
			chain nat.POSTROUTING {
				type nat hook postrouting priority 101; policy accept;
				meta nfproto vmap { ipv4 : jump nat4.POSTROUTING, ipv6 : jump nat6.POSTROUTING }
			}
		}
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
	kernel_4=$(choose 0x3f000000 0x0 '' "1 0x1000000 $fibre_weight ${fibre_gateway4:-none}" "1 0x2000000 $dsl_weight ${dsl_gateway4:-none}")
	routes4=$(print_routes4)
	rules4=$(print_rules4)
	fibre_gateway6=$(gateway 6 "$fibre_dev" "$fibre_via6")
	specific_6=$(networks 6 fe80::/10 "$exclude")
	excluded_6=$(of_family 6 "$exclude")
	exempt_6=$(exempt_marks 6 0x3f000000)
	far_ends_6=$(far_ends 6 "$fibre_dev" "$dsl_dev")
	led_6=$(led_marks 6 0x3f000000)
	bound_6=$(not_default 6 "$fibre_dev")
	carriers_6=$(carriers "$fibre_dev")
	own_of_fibre_6=$(addresses_of 6 "$fibre_dev")
	kernel_6=$(choose 0x3f000000 0x0 '' "1 0x1000000 $fibre_weight ${fibre_gateway6:-none}")
	routes6=$(print_routes6)
	rules6=$(print_rules6)
	table=$(print_table | as_matched)
}

# up: checks everything that can be checked before anything is changed.
up() {
	check_weights "$fibre_weight" "$dsl_weight"
	look
	test_table "$table"
	old_routes4=$(routes_there 4)
	old_rules4=$(rules_there 4)
	old_routes6=$(routes_there 6)
	old_rules6=$(rules_there 6)
	old_table=$(table_there)
	undo=1 fresh=1
	[ ! -e "$state" ] || fresh=
	: >>"$state"
	valid_mark "$fibre_dev" "$dsl_dev"
	add_routing 4 "$routes4" "$rules4"
	add_routing 6 "$routes6" "$rules6"
	put_table "$table"
	drop_routing 4 "$routes4" "$rules4"
	drop_routing 6 "$routes6" "$rules6"
	ip -6 route flush cache
	undo=
	[ -z "$fresh" ] || begun_before 0/0x3f000000 0x1000000/0x3f000000 0x2000000/0x3f000000
}

refresh() {
	[ -e "$state" ] || { say "is not up; run '$0 up' first"; exit 1; }
	up
}

down() {
	put_table ''
	drop_routing 4 '' ''
	drop_routing 6 '' ''
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
		add_routing 4 "$old_routes4" "$old_rules4"
		add_routing 6 "$old_routes6" "$old_rules6"
		put_table "$old_table"
		drop_routing 4 "$old_routes4" "$old_rules4"
		drop_routing 6 "$old_routes6" "$old_rules6"
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

# elements LIST: prints the elements of a set, without networks that another one covers, which nft refuses.
elements() {
	printf '%s\n' "$1" | awk '
		function ones(number, width,   text) {
			for (; width > 0; width--) { text = number % 2 text; number = int(number / 2) }
			return text
		}
		function octets(address,   part) {
			split(address, part, ".")
			return ones(part[1], 8) ones(part[2], 8) ones(part[3], 8) ones(part[4], 8)
		}
		function group(digits,   text, i) {
			for (i = 1; i <= length(digits); i++) text = text ones(index("0123456789abcdef", substr(digits, i, 1)) - 1, 4)
			return substr("000000000000", 1, 16 - length(text)) text
		}
		function bits(address,   part, count, i, text, left) {
			if (address !~ /:/) return octets(address)
			count = split(tolower(address), part, ":")
			left = 128
			for (i = 1; i <= count; i++) left -= part[i] == "" ? 0 : part[i] ~ /\./ ? 32 : 16
			for (i = 1; i <= count; i++) {
				if (part[i] != "") text = text (part[i] ~ /\./ ? octets(part[i]) : group(part[i]))
				else for (; left > 0; left--) text = text "0"
			}
			return text
		}
		$1 != "" {
			count = split($1, half, "/")
			text = bits(half[1])
			if (count == 2) text = substr(text, 1, half[2])
			if (!(text in network)) order[++networks] = text
			network[text] = $1
		}
		END {
			for (i = 1; i <= networks; i++) {
				text = order[i]
				covered = 0
				for (width = 0; width < length(text); width++) if (substr(text, 1, width) in network) covered = 1
				if (!covered) list = list (list == "" ? "" : ", ") network[text]
			}
			if (list != "") print "elements = { " list " }"
		}'
}

# any_of LIST RULE: prints the rule with the words of the list in place of its <>; nothing where there are none.
any_of() {
	_words=''
	for _one in $1; do _words="${_words:+$_words, }\"$_one\""; done
	case $_words in '') return ;; *,*) _words="{ $_words }" ;; esac
	printf '%s\n' "${2%%<>*}$_words${2#*<>}"
}

# each_mark LIST RULE: prints the rule for each VALUE/MASK of the list, in place of its <>.
each_mark() {
	for _one in $1; do printf '%s\n' "${2%%<>*}meta mark & ${_one#*/} == ${_one%/*}${2#*<>}"; done
}

# as_matched: reads a table and prints it without the rules that ask for IPsec, where the kernel cannot ask.
as_matched() {
	! takes 'rt ipsec exists return' || { cat && return; }
	[ -z "$(ip xfrm policy 2>/dev/null)" ] ||
		say "nft cannot ask for IPsec here, so what its policies should take is balanced and translated; exclude it"
	sed '/ ipsec exists /d'
}

# choose MASK UNDECIDED LAST_RESORT "TIER MARK WEIGHT [GATEWAY]"...: prints the rule that gives a packet whose mark is
# UNDECIDED one of the marks. The members stand in the order of their tiers. The choice is among those of the first tier
# in which one has a weight and a gateway.
choose() {
	_mask=$1 _undecided=$2 _last=$3
	shift 3
	printf '%s\n' "$@" | awk -v mask="$_mask" -v undecided="$_undecided" -v last="$_last" '
		function long(number) { sub(/^0x/, "", number); return "0x" substr("00000000", 1, 8 - length(number)) number }
		function marked(number) { return "jump mark_" long(number) "/" long(mask) }
		function rule(words) { print "meta mark & " long(mask) " == " long(undecided) " " words }
		!tier || $1 == tier { if ($3 > 0 && $4 != "none") { tier = $1; mark[++count] = $2; weight[count] = $3; left += $3 } }
		END {
			for (i = 1; i <= count; i++) {
				high = low + weight[i] - 1
				parts = parts (i > 1 ? ", " : "") low + 0 (high > low + 0 ? "-" high : "") " : " marked(mark[i])
				low = high + 1
			}
			draw = "numgen random mod " left
			if (count > 1) rule(draw " vmap { " parts " }")
			if (count == 1) rule(marked(mark[1]))
			if (!count && last != "") rule("fib saddr type != local " marked(last))
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

# takes RULE: whether nft and the kernel would take a rule; nothing is changed.
takes() {
	nft -c "add table inet wanmark_trial; add chain inet wanmark_trial trial; add rule inet wanmark_trial trial $1" 2>/dev/null
}

# table_there: prints our table; nothing where there is none. What cannot be read must not be taken for nothing.
table_there() {
	_tables=$(nft list tables) || return 1
	! printf '%s\n' "$_tables" | grep -qx 'table inet wanmark' || nft -s list table inet wanmark
}

# table_steps TABLE: prints what nft needs to replace our table with TABLE. Base chains are in every one: taking one away
# drops all packets that wait in any queue (__nf_unregister_net_hook). Counters go on, and sets that others fill, which
# have timeouts, are left as they are.
table_steps() {
	_there=$(table_there) || return 1
	if [ -z "$1" ]; then
		[ -z "$_there" ] || echo 'delete table inet wanmark'
		return
	fi
	[ -z "$_there" ] || printf '%s\n=\n%s\n' "$1" "$_there" | awk '
		BEGIN { print "flush table inet wanmark" }
		/^=$/ { old = 1 }
		# The shell has taken the tabs away from what is wanted.
		!old { if (/^(chain|set|counter|map) /) wanted[$1, $2]; next }
		$1 == "flags" && /interval/ && !/timeout/ && set != "" { print "flush set inet wanmark", set }
		!/^\t(chain|set|counter|map) / { next }
		{ set = "" }
		($1, $2) in wanted { if ($1 == "set") set = $2; next }
		$1 == "chain" { print "delete chain inet wanmark", $2; next }
		{ others = others "delete " $1 " inet wanmark " $2 "\n" }
		END { printf "%s", others }'
	printf '%s\n' "$1"
}

# test_table TABLE: lets nft and the kernel read the table before anything is changed.
test_table() {
	_steps=$(table_steps "$1") || return 1
	printf '%s\n' "$_steps" | nft -c -f -
}

# put_table TABLE: replaces our table, which the kernel does as a whole or not at all.
put_table() {
	_steps=$(table_steps "$1") || return 1
	printf '%s\n' "$_steps" | nft -f -
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

# add_routing FAMILY ROUTES RULES: adds what is missing of these, so that a mark leads somewhere before anything is marked.
add_routing() {
	_old_rules=$(rules_there "$1") || return 1
	each_line "$2" '' ip "-$1" route replace protocol 119
	each_line "$3" "$_old_rules" ip "-$1" rule add protocol 119
}

# drop_routing FAMILY ROUTES RULES: removes what is ours but these, once nothing is marked for it any more.
drop_routing() {
	_old_rules=$(rules_there "$1") || return 1
	each_line "$_old_rules" "$3" ip "-$1" rule del protocol 119
	_tables=$(ip -N "-$1" route show table all protocol 119) || return 1
	for _table in $(printf '%s\n' "$_tables" | sed 's/.* table \([^ ]*\).*/\1/'); do
		case "$2 " in *" table $_table"[!0-9]*) ;; *) ip "-$1" route flush table "$_table" protocol 119 ;; esac
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
	while read -r _file _before; do
		[ ! -e "$_file" ] || echo "$_before" >"$_file"
	done <"$state"
	rm -f "$state"
}

# --- start -----------------------------------------------------------------

case $#:${1-up} in
[01]:up | 1:refresh | 1:down) ;;
*) misuse "usage: $0 up|refresh|down" ;;
esac
need ip awk flock nft
trap finish EXIT
trap 'exit 1' HUP INT TERM
lock
"${1-up}"
