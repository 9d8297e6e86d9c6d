# shellcheck shell=sh
# The chains that the services add to mangle, nat and filter. Sourced, never run.
#
#   mangle PREROUTING, OUTPUT -> WANMARK_SERVICE   new, nobody chose yet: NFQUEUE
#   nat    PREROUTING, OUTPUT -> WANMARK_SERVICE   which service: its WANMARK_POOL
#          WANMARK_POOLn          nobody chose: the kernel does; then
#          WANMARK_TOn            the connection keeps the backend's mark; DNAT by it
#   nat    POSTROUTING -> WANMARK_NAT -> WANMARK_SNAT   where the answer would not come back here
#   filter FORWARD     -> WANMARK_FORWARD          with WANMARK_FORWARD_ACCEPT=1
#
# In mangle it is behind WANMARK, which gives what came in by a WAN that WAN's mark and which
# leaves services alone: where nobody listens on the queue, NFQUEUE ends the table.

# service_mangle FAMILY
service_mangle() {
	{ [ "$WANMARK_ENGINE" = nfqueue ] && for_services "$1" :; } || return 0
	chain WANMARK_SERVICE
	jump PREROUTING WANMARK_SERVICE
	jump OUTPUT WANMARK_SERVICE
	rule WANMARK_SERVICE -m conntrack ! --ctstate NEW -j RETURN
	for_services "$1" service_queue
}

# A UDP flow without replies stays NEW for ever, so the connection is asked, too.
service_queue() {
	rule WANMARK_SERVICE "$LISTEN" "$UNDECIDED/$BACKEND_MASK" -m connmark --mark "0x0/$BACKEND_MASK" \
		-j NFQUEUE --queue-num "$WANMARK_SERVICE_QUEUE" --queue-bypass
}

# service_exceptions FAMILY: in WANMARK_NEW. The way to a backend is the main table's.
service_exceptions() { for_services "$1" service_exception || :; }
service_exception() { rule WANMARK_NEW "$LISTEN" -j RETURN; }

# service_nat FAMILY
service_nat() {
	for_services "$1" : || return 0
	chain WANMARK_SERVICE
	jump PREROUTING WANMARK_SERVICE
	jump OUTPUT WANMARK_SERVICE
	for_services "$1" service_pool
}

# A mark that is none of the pool's, as of a daemon with another configuration, must not lose
# the connection: the kernel chooses as if there were none.
service_pool() {
	_pool=WANMARK_POOL$POOL _to=WANMARK_TO$POOL
	chain "$_pool"
	chain "$_to"
	rule WANMARK_SERVICE "$LISTEN" -g "$_pool"
	rule "$_pool" "$DECIDED/$BACKEND_MASK" -j "$_to"
	rule "$_pool" -j MARK --set-xmark "0x0/$BACKEND_MASK"
	for_backends pool_member | choice_rules "$_pool" "$BACKEND_MASK"
	rule "$_pool" -j "$_to"
	rule "$_to" -j CONNMARK --save-mark --nfmask "$BACKEND_MASK" --ctmask "$BACKEND_MASK"
	for_backends service_to
}

# A prefix of the kernel's log has 29 bytes, so a long name is cut.
service_to() {
	if [ "$WANMARK_LOG_KERNEL" = 1 ]; then
		_mark="backend=$NUMBER"
		_room=$((29 - 10 - ${#_mark}))
		_short=$(printf '%s' "$SERVICE" | cut -c "1-$_room")
		rule "$_to" -m mark --mark "$MARK/$BACKEND_MASK" -j LOG --log-prefix "\"wanmark $_short $_mark \""
	fi
	rule "$_to" "${PROTO_MATCH}-m mark --mark $MARK/$BACKEND_MASK -j DNAT --to-destination $TO"
}

# service_snat FAMILY: in WANMARK_NAT, before the WANs' rules.
service_snat() {
	_rules=$(for_services "$1" snat_rules)
	[ -n "$_rules" ] || return 0
	chain WANMARK_SNAT
	rule WANMARK_NAT -m conntrack --ctstate DNAT -m connmark ! --mark "0x0/$BACKEND_MASK" -j WANMARK_SNAT
	printf '%s\n' "$_rules"
}

snat_rules() { [ "$SNAT" = none ] || for_backends snat_rule; }

# auto: a client in the backend's own network would be answered past us, and past the
# translation; and the router's own connections may come from an address that the backend has
# no way to. A client elsewhere keeps its address: its answers have to come back by us.
snat_rule() {
	_which="-m connmark --mark $MARK/$BACKEND_MASK"
	if [ "$SNAT" != auto ]; then
		rule WANMARK_SNAT "$_which" -j SNAT --to-source "$SNAT"
		return
	fi
	rule WANMARK_SNAT "$_which" -s "$(own_network "$FAMILY" "$BACKEND")" -j MASQUERADE
	rule WANMARK_SNAT "$_which" ! -o lo -m addrtype --src-type LOCAL -j MASQUERADE
}

# own_network FAMILY ADDRESS: the network that the route to it is for; the address itself where
# that is the default route.
own_network() {
	ip -N "-$1" route get fibmatch "$2" 2>/dev/null | awk -v address="$2" '
		NR == 1 && $1 ~ /^[0-9a-f]*[.:]/ { network = $1 }
		END { print network ? network : address }'
}

# --- filter -----------------------------------------------------------------

# service_forward FAMILY: RELATED are the ICMP errors of these connections, without which their
# path MTU is not found.
service_forward() {
	{ [ "$WANMARK_FORWARD_ACCEPT" = 1 ] && for_services "$1" :; } || return 0
	chain WANMARK_FORWARD
	jump FORWARD WANMARK_FORWARD
	rule WANMARK_FORWARD -m connmark --mark "0x0/$BACKEND_MASK" -j RETURN
	rule WANMARK_FORWARD -m conntrack --ctstate RELATED -j ACCEPT
	for_services "$1" for_backends forward_rules
}

# By address and port, not by mark: a connection of before may have another number.
forward_rules() {
	_dport='' _sport=''
	[ "$SERVER" = - ] || _dport="--dport $SERVER " _sport="--sport $SERVER "
	rule WANMARK_FORWARD "-d $BACKEND ${PROTO_MATCH}${_dport}-m conntrack --ctstate DNAT --ctdir ORIGINAL -j ACCEPT"
	rule WANMARK_FORWARD "-s $BACKEND ${PROTO_MATCH}${_sport}-m conntrack --ctstate DNAT --ctdir REPLY -j ACCEPT"
}
