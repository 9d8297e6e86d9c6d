# shellcheck shell=sh disable=SC2153,SC2154 # set by lib.sh and wanmark.sh
# Our part of iptables' tables: finding, replacing, testing and removing it. Sourced, never run.
#
# Ours are the chains WANMARK and WANMARK_*, and the jumps to them that carry the comment "wanmark". Base chains are
# never removed while we run: removing one drops every packet that waits in any queue (__nf_unregister_net_hook ->
# nf_queue_nf_hook_drop).

# look_tables FAMILY DIR: writes our part of each table, and the names of all existing tables, to DIR. It asks for all
# tables at once, since -t would make the legacy variant load a table that is not there.
look_tables() {
	program "$1"
	for _table in $TABLES; do : >"$2/$1.$_table" || fail "cannot write $2"; done
	: >"$2/$1.present" || fail "cannot write $2"
	command -v "$PROGRAM-save" >/dev/null 2>&1 || return 0
	if uses_nft; then
		# Only what nft takes over from, or an undo goes back to, is in iptables.
		[ "$VERB" = up ] || return 0
		LEAVE_HIDDEN=1
	fi
	saved
	# The caller that is asked reads it, too.
	[ -z "$ASK" ] || show_saved >"$2/$1.saved" || fail "cannot write $2; is the file system full?"
	show_saved | ours "$2/$1." || fail "cannot write $2; is the file system full?"
}

# saved: puts what the iptables-save of PROGRAM shows into SAVED. What cannot be read must not be taken for empty, and
# iptables-save does not notice when its output cannot be written.
saved() {
	SAVED=$("$PROGRAM-save" 2>/dev/null) || unsaved $?
	_odd=$(show_saved | odd)
	[ -z "$_odd" ] || failed "$PROGRAM-save" "$_odd"
	_hidden=$(show_saved | hidden | sed -n 1p)
	[ -z "$_hidden" ] || [ -n "${LEAVE_HIDDEN-}" ] || failed "$PROGRAM-save" \
		"table $_hidden has rules of another program that only nft shows; see 'nft list ruleset', and take them away first"
}

show_saved() { printf '%s\n' "$SAVED"; }

# unsaved CODE: ends the script with what the iptables-save of PROGRAM says, or with its exit code where that is nothing.
unsaved() {
	_said=$("$PROGRAM-save" 2>&1 >/dev/null | sed -n '/./{p;q;}')
	failed "$PROGRAM-save" "${_said:-exit code $1}"
}

# odd: reads the output of an iptables-save; prints what shows that it is not whole, or nothing. Every table ends with
# COMMIT, and a part of a table would be taken for one from which somebody removed the rest. Within a table any line may
# stand, since the comment of a rule may have several.
odd() {
	awk '
	/^COMMIT$/ { table = ""; next }
	table == "" && /^\*/ { table = substr($0, 2) }
	table == "" && !/^(#.*|)$/ { print "its output is not a list of rules: " substr($0, 1, 60); exit }
	END { if (table != "") print "its output ends within table " table }'
}

# hidden: prints the names of the tables that are missing in the output of an iptables-save, which it reads, each on a
# line. A table that holds a rule which only nft can make is not shown at all, and that is no failure (iptables-nft).
hidden() { sed -n "s/^# Table .\([a-z]*\). is incompatible.*/\1/p"; }

# remove_hidden FAMILY: for `down`, which must not wait for other people; removes our part from the tables that iptables-save does not show, in the words of nft.
remove_hidden() {
	if [ "$1" = 4 ]; then _ip=ip; else _ip=ip6; fi
	for _table in $("$PROGRAM-save" 2>/dev/null | hidden); do
		_said=$(nft -a list table $_ip "$_table" 2>&1) || failed "nft list table $_ip $_table" "$_said"
		printf '%s\n' "$_said" | awk -v table="$_ip $_table" '
			$1 == "chain" { chain = $2; ours = chain ~ /^WANMARK(_[A-Z0-9]+|_(TO|BY)_[A-Za-z0-9._-]+)?$/; if (ours) all[++count] = chain }
			!ours && / (jump|goto) WANMARK(_[A-Z0-9]+|_(TO|BY)_[A-Za-z0-9._-]+)? .*# handle [0-9]+$/ {
				print "delete rule", table, chain, "handle", $NF
			}
			END {
				for (i = 1; i <= count; i++) print "flush chain", table, all[i]
				for (i = 1; i <= count; i++) print "delete chain", table, all[i]
			}' >"$WORK/nft" || fail "cannot write $WORK; is the file system full?"
		[ -s "$WORK/nft" ] || continue
		ran "nft -f -" "$WORK/nft"
		_said=$(nft -f "$WORK/nft" 2>&1) || failed "nft -f" "$_said"
	done
}

# ours PREFIX: reads the output of iptables-save; writes our chains (without counters), their rules and the jumps to
# them to PREFIX and the table's name, and the names of the tables to PREFIX`present`.
ours() {
	awk -v prefix="$1" '
	/^\*/ { file = prefix substr($0, 2); print substr($0, 2) > (prefix "present") }
	/^:WANMARK(_[A-Z0-9]+|_(TO|BY)_[A-Za-z0-9._-]+)? / { print $1, "- [0:0]" > file }
	/^-A WANMARK(_[A-Z0-9]+|_(TO|BY)_[A-Za-z0-9._-]+)? / { print > file }
	/^-A [A-Z]+ .*--comment "?wanmark"? -j WANMARK(_[A-Z0-9]+|_(TO|BY)_[A-Za-z0-9._-]+)?$/ && $2 !~ /^WANMARK/ { print > file }'
}

# replace_tables FAMILY NOW THEN STEPS STAGES: writes the input of iptables-restore that turns our part of the tables
# in NOW into that in THEN, by making all of it anew. Jumps go first into their base chain, but last in nat
# POSTROUTING, as does the one to WANMARK_ASKED.
replace_tables() {
	awk -v now="$2/$1." -v then="$3/$1." -v tables="$5" '
		function replace(table,   line, word, i, olds, had, wanted, old, new, heads, gone, rules, first, last, empty, drop, body) {
			split("", had); split("", wanted)
			while ((getline line < (now table)) > 0) {
				split(line, word, " ")
				if (line ~ /^:/) had[++olds] = substr(word[1], 2)
				else if (word[2] !~ /^WANMARK/) gone = gone "-D" substr(line, 3) "\n"
				old = old line "\n"
			}
			while ((getline line < (then table)) > 0) {
				split(line, word, " ")
				if (line ~ /^:/) { wanted[substr(word[1], 2)]; heads = heads line "\n" }
				else if (word[2] ~ /^WANMARK/) rules = rules line "\n"
				else if ((table == "nat" && word[2] == "POSTROUTING") || line ~ / WANMARK_ASKED$/) last = last line "\n"
				else { sub(/^-A [A-Z]+/, "& 1", line); sub(/^-A/, "-I", line); first = line "\n" first }
				new = new line "\n"
			}
			if (old == new) return
			for (i = 1; i <= olds; i++) if (!(had[i] in wanted)) {
				empty = empty "-F " had[i] "\n"
				drop = drop "-X " had[i] "\n"
			}
			body = heads gone empty rules first last drop
			if (body != "") printf "*%s\n%sCOMMIT\n", table, body
		}
		BEGIN {
			count = split(tables, list, " ")
			for (t = 1; t <= count; t++) replace(list[t])
		}' >"$4/$1.tables" || fail "cannot write $4; is the file system full?"
}

# test_tables FAMILY STEPS: lets iptables read the steps before anything is changed.
test_tables() {
	[ -s "$2/$1.tables" ] || return 0
	program "$1"
	need "$PROGRAM-restore" iptables
	restore "$2/$1.tables" --test
}

# restore_tables FAMILY STEPS HAVE: carries out the steps for the tables of a family.
restore_tables() {
	[ -s "$2/$1.tables" ] || return 0
	program "$1"
	note_absent "$1" "$2/$1.tables" "$3/$1.present"
	ran "$PROGRAM-restore --wait=10 --noflush" "$2/$1.tables"
	restore "$2/$1.tables"
}

# restore FILE [--test]: gives FILE to the iptables-restore of PROGRAM; ends the script if it refuses.
restore() {
	# shellcheck disable=SC2086 # --test or nothing
	_said=$("$PROGRAM-restore" ${2-} --wait=10 --noflush <"$1" 2>&1) && return 0
	_line=$(printf '%s\n' "$_said" | sed -n 's/.*line[: ]*\([0-9][0-9]*\).*/\1/p' | sed -n 1p)
	failed "$PROGRAM-restore" "$_said" "${_line:+$(sed -n "${_line}p" "$1")}"
}

# note_absent FAMILY STEPS PRESENT: notes the tables that iptables-nft will create, so that `down` can remove them.
note_absent() {
	[ "$VARIANT" = nft ] || return 0
	while read -r _line; do
		case $_line in \**) ;; *) continue ;; esac
		_table=${_line#?}
		grep -qsx "$_table" "$3" || grep -qsFx "$1 $_table" "$STATE/absent" ||
			printf '%s\n' "$1 $_table" >>"$STATE/absent" || fail "cannot write $STATE/absent; is the file system full?"
	done <"$2"
}

# settle_tables: notes what the kernel made of our tables. If somebody flushes between our restore and this look, that
# must not be taken for our work, so a table is noted only where it has as many chains and rules as were asked for.
settle_tables() {
	mkdir -p "$WORK/settled" || fail "cannot write $WORK"
	for _family in 4 6; do
		[ ! -s "$FOLDER/steps/$_family.tables" ] || look_tables $_family "$WORK/settled"
	done
	for _family in 4 6; do
		for _table in $TABLES; do
			grep -qsx "\*$_table" "$FOLDER/steps/$_family.tables" || continue
			_file=$_family.$_table
			same_shape "$WORK/settled/$_file" "$FOLDER/want/$_file" || continue
			# In this order: a crash in between leaves a `have` that the kernel does not have, so nothing is trusted.
			run_quietly mv -f "$FOLDER/want/$_file" "$STATE/want/$_file"
			run_quietly mv -f "$WORK/settled/$_file" "$STATE/have/$_file"
		done
	done
}

# same_shape A B: whether both have the same chains with the same number of rules each.
same_shape() {
	awk '
		{ key = /^:/ ? substr($1, 2) : $2 }
		FILENAME == ARGV[1] { surplus[key]++; next }
		{ surplus[key]-- }
		END { for (key in surplus) if (surplus[key]) exit 1 }' "$1" "$2"
}

# missing_tables HAVE: prints an event for each missing part. Parts of ours that are there twice, or in another place,
# are put right without a word.
missing_tables() {
	awk -v state="$STATE/have/" -v have="$1/" -v programs="$IPTABLES $IP6TABLES" -v tables="$TABLES" '
	function gone(what) {
		printf "{\"event\":\"missing\",\"program\":\"%s\",\"table\":\"%s\",\"what\":\"%s\"}\n", program, table, what
	}
	function compare(name,   line, word, i) {
		any = count = 0
		split("", chain); split("", rules); split("", there); split("", had); split("", jump); jumps = 0
		while ((getline line < (have name)) > 0) {
			split(line, word, " ")
			if (line ~ /^:/) { chain[substr(word[1], 2)]; any = 1 }
			else if (word[2] ~ /^WANMARK/) rules[word[2]] = rules[word[2]] line "\n"
			else there[line]
		}
		while ((getline line < (state name)) > 0) {
			split(line, word, " ")
			if (line ~ /^:/) order[++count] = substr(word[1], 2)
			else if (word[2] ~ /^WANMARK/) had[word[2]] = had[word[2]] line "\n"
			else if (!(line in there)) { sub(/.* /, "", line); jump[++jumps] = "jump from " word[2] " to " line }
		}
		if (!count) return
		if (!any) { gone("all of it"); return }
		for (i = 1; i <= jumps; i++) gone(jump[i])
		for (i = 1; i <= count; i++) {
			if (!(order[i] in chain)) gone("chain " order[i])
			else if (rules[order[i]] != had[order[i]]) gone("rules of " order[i])
		}
	}
	BEGIN {
		split(programs, name, " ")
		many = split(tables, list, " ")
		for (family = 4; family <= 6; family += 2)
			for (t = 1; t <= many; t++) {
				program = name[family / 2 - 1]
				table = list[t]
				compare(family "." table)
			}
	}'
}

# remove_tables: removes our part from every installed variant. Needs no state.
remove_tables() {
	variant "$IPTABLES"
	_other4=$COUNTERPART
	variant "$IP6TABLES"
	_failed=
	for PROGRAM in "$IPTABLES" "$IP6TABLES" "$_other4" "$COUNTERPART"; do
		command -v "$PROGRAM-save" >/dev/null 2>&1 || continue
		# A user who may not look at the legacy tables has put nothing there.
		case $PROGRAM in
		iptables-legacy) _names=/proc/net/ip_tables_names ;;
		ip6tables-legacy) _names=/proc/net/ip6_tables_names ;;
		*) _names= ;;
		esac
		[ ! -e "$_names" ] || [ -r "$_names" ] || is_named "$PROGRAM" || continue
		(remove_from "$PROGRAM") || _failed=1
	done
	[ -z "$_failed" ] || exit 1
}

# is_named PROGRAM: whether the rules are made with this program.
is_named() { [ "$1" = "$IPTABLES" ] || [ "$1" = "$IP6TABLES" ]; }

# remove_from PROGRAM: removes our part from one variant.
remove_from() {
	case ${1##*/} in ip6*) _of=6 ;; *) _of=4 ;; esac
	if [ $_of = 4 ]; then IPTABLES=$1; else IP6TABLES=$1; fi
	_dir=$WORK/remove.$$
	{ rm -rf "$_dir" && mkdir -p "$_dir/none"; } || fail "cannot write $WORK"
	if command -v nft >/dev/null 2>&1; then
		remove_hidden $_of
		LEAVE_HIDDEN=1
	fi
	look_tables $_of "$_dir"
	replace_tables $_of "$_dir" "$_dir/none" "$_dir" 'filter mangle nat'
	if [ -s "$_dir/$_of.tables" ]; then
		ran "$1-restore --wait=10 --noflush" "$_dir/$_of.tables"
		restore "$_dir/$_of.tables"
	fi
	unmake_tables $_of "$_dir/none"
}

# unmake_tables FAMILY HAVE: removes the tables that up created, since iptables-nft leaves a table's base chains
# behind for ever. A table that is in the list of absent ones and is empty now is restored without --noflush, which
# the nft variant answers by deleting the whole table. With the legacy variant a table cannot be unloaded. HAVE names
# tables that must stay.
unmake_tables() {
	grep -qs "^$1 " "$STATE/absent" || return 0
	program "$1"
	variant "$PROGRAM"
	[ "$VARIANT" = nft ] || return 0
	for _table in $TABLES; do
		grep -qsFx "$1 $_table" "$STATE/absent" || continue
		! grep -qsx "$_table" "$2/$1.present" || continue
		saved
		_left=$(show_saved | awk -v table="*$_table" '/^\*/ { on = $0 == table } on && !/^#/')
		if [ -n "$_left" ] && ! printf '%s\n' "$_left" | grep -q -e '^-A' -e '^:[^ ]* -' -e '^:[^ ]* DROP'; then
			ran "printf '*$_table\\nCOMMIT\\n' | $PROGRAM-restore"
			_said=$(printf '*%s\nCOMMIT\n' "$_table" | "$PROGRAM-restore" 2>&1) || failed "$PROGRAM-restore" "$_said"
		fi
		keep "$STATE/absent" grep -vFx "$1 $_table" "$STATE/absent"
	done
}

# variant PROGRAM: sets VARIANT to nft or legacy, and COUNTERPART to the same program in the other variant. Before
# iptables 1.8 there was only legacy, which --version did not mention.
variant() {
	case $("$1" --version 2>/dev/null) in *nf_tables*) VARIANT=nft ;; *) VARIANT=legacy ;; esac
	COUNTERPART=${1##*/}
	COUNTERPART=${COUNTERPART%%-*}
	if [ $VARIANT = nft ]; then COUNTERPART=$COUNTERPART-legacy; else COUNTERPART=$COUNTERPART-nft; fi
}
