import { PROTOCOL } from '../ip.js';
import { TABLE } from '../nft/names.js';

/** The shell functions by which a printed script changes the machine with nft, word for word. */

const TAKES = `# takes RULE: whether nft and the kernel would take a rule; nothing is changed.
takes() {
	nft -c "add table inet wanmark_trial; add chain inet wanmark_trial trial; add rule inet wanmark_trial trial $1" 2>/dev/null
}`;

const NEED_QUEUE = `# need_queue: ends the script where the kernel has no queue for nft.
need_queue() {
	takes 'queue num 0 bypass' && return
	say "the kernel has no queue for nft (CONFIG_NFT_QUEUE; 'modprobe nft_queue'); print the script with --engine kernel"
	exit 1
}`;

const TABLE_THERE = `# table_there: prints our table; nothing where there is none. What cannot be read must not be taken for nothing.
table_there() {
	_tables=$(nft list tables) || return 1
	! printf '%s\\n' "$_tables" | grep -qx 'table ${TABLE}' || nft -s list table ${TABLE}
}`;

const TABLE_STEPS = `# table_steps TABLE: prints what nft needs to replace our table with TABLE. Base chains are in every one: taking one away
# drops all packets that wait in any queue (__nf_unregister_net_hook). Counters go on, and sets that others fill, which
# have timeouts, are left as they are.
table_steps() {
	_there=$(table_there) || return 1
	if [ -z "$1" ]; then
		[ -z "$_there" ] || echo 'delete table ${TABLE}'
		return
	fi
	[ -z "$_there" ] || printf '%s\\n=\\n%s\\n' "$1" "$_there" | awk '
		BEGIN { print "flush table ${TABLE}" }
		/^=$/ { old = 1 }
		# The shell has taken the tabs away from what is wanted.
		!old { if (/^(chain|set|counter|map) /) wanted[$1, $2]; next }
		$1 == "flags" && /interval/ && !/timeout/ && set != "" { print "flush set ${TABLE}", set }
		!/^\\t(chain|set|counter|map) / { next }
		{ set = "" }
		($1, $2) in wanted { if ($1 == "set") set = $2; next }
		$1 == "chain" { print "delete chain ${TABLE}", $2; next }
		{ others = others "delete " $1 " ${TABLE} " $2 "\\n" }
		END { printf "%s", others }'
	printf '%s\\n' "$1"
}`;

const TEST_TABLE = `# test_table TABLE: lets nft and the kernel read the table before anything is changed.
test_table() {
	_steps=$(table_steps "$1") || return 1
	printf '%s\\n' "$_steps" | nft -c -f -
}`;

const PUT_TABLE = `# put_table TABLE: replaces our table, which the kernel does as a whole or not at all.
put_table() {
	_steps=$(table_steps "$1") || return 1
	printf '%s\\n' "$_steps" | nft -f -
}`;

/** Those for our table. */
export const NFT_TABLE = [TAKES, NEED_QUEUE, TABLE_THERE, TABLE_STEPS, TEST_TABLE, PUT_TABLE];

/** Those for routes and ip rules, in two steps with the table in between. */
export const ROUTING = `# add_routing FAMILY ROUTES RULES: adds what is missing of these, so that a mark leads somewhere before anything is marked.
add_routing() {
	_old_rules=$(rules_there "$1") || return 1
	each_line "$2" '' ip "-$1" route replace protocol ${PROTOCOL}
	each_line "$3" "$_old_rules" ip "-$1" rule add protocol ${PROTOCOL}
}

# drop_routing FAMILY ROUTES RULES: removes what is ours but these, once nothing is marked for it any more.
drop_routing() {
	_old_rules=$(rules_there "$1") || return 1
	each_line "$_old_rules" "$3" ip "-$1" rule del protocol ${PROTOCOL}
	_tables=$(ip -N "-$1" route show table all protocol ${PROTOCOL}) || return 1
	for _table in $(printf '%s\\n' "$_tables" | sed 's/.* table \\([^ ]*\\).*/\\1/'); do
		case "$2 " in *" table $_table"[!0-9]*) ;; *) ip "-$1" route flush table "$_table" protocol ${PROTOCOL} ;; esac
	done
}`;

/** What `down` does beside the rules. */
export const RESTORE = `# forget: restores what the state file says, and removes the file.
forget() {
	[ -e "$state" ] || return 0
	while read -r _file _before; do
		[ ! -e "$_file" ] || echo "$_before" >"$_file"
	done <"$state"
	rm -f "$state"
}`;
