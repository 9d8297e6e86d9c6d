# shellcheck shell=sh disable=SC2034 # used by the other files
# iptables for the other scripts: variants, our part of a table, and the one
# iptables-restore batch that moves a table from what it is to what it should be.
# Sourced, never run.
#
# Ours are the chains WANMARK and WANMARK_*, and the jumps to them that carry the
# comment `wanmark`. A chain whose text did not change is not touched (its counters go
# on), and base chains are never removed while we run: taking one away drops every
# packet that waits in any queue (__nf_unregister_net_hook -> nf_queue_nf_hook_drop).

# program FAMILY: in PROGRAM.
program() { if [ "$1" = 4 ]; then PROGRAM=$IPTABLES; else PROGRAM=$IP6TABLES; fi; }

# variant PROGRAM: VARIANT is nft or legacy, and COUNTERPART the same program of the other
# one. Before 1.8 there was only legacy and no word about it. Each program is asked once.
VARIANTS=' '
variant() {
	case $VARIANTS in
	*" $1=nft "*) VARIANT=nft ;;
	*" $1=legacy "*) VARIANT=legacy ;;
	*)
		case $("$1" --version 2>/dev/null) in *nf_tables*) VARIANT=nft ;; *) VARIANT=legacy ;; esac
		VARIANTS="$VARIANTS$1=$VARIANT "
		;;
	esac
	COUNTERPART=${1##*/}
	COUNTERPART=${COUNTERPART%%-*}
	if [ $VARIANT = nft ]; then COUNTERPART=$COUNTERPART-legacy; else COUNTERPART=$COUNTERPART-nft; fi
}

# saved PROGRAM TABLE: the table's lines of -save. Without -t, because that would make
# the legacy variant load a table that is not there.
saved() {
	command -v "$1-save" >/dev/null 2>&1 || return 0
	"$1-save" 2>/dev/null | table "$2"
}

# table TABLE: of what -save writes, the lines of one.
table() { awk -v table="*$1" '/^\*/ { on = $0 == table } on && !/^#/'; }

# ours: of the lines of a table, our chains (without counters), their rules and the jumps to them.
ours() {
	awk '
	/^:WANMARK(_[A-Z0-9]+)? / { print $1, "- [0:0]" }
	/^-A WANMARK(_[A-Z0-9]+)? / { print }
	/^-A [A-Z]+ .*--comment "?wanmark"? -j WANMARK(_[A-Z0-9]+)?$/ && $2 !~ /^WANMARK/ { print }'
}

# has_ours PROGRAM
has_ours() {
	command -v "$1-save" >/dev/null 2>&1 && "$1-save" 2>/dev/null | grep -q -E '^:WANMARK(_[A-Z0-9]+)? '
}

# batch TABLE NOW [BEFORE] <WANT: the iptables-restore input that turns NOW (`ours` of the
# kernel) into WANT, or nothing. BEFORE is the WANT that made NOW; with it, chains that
# read the same in both are left alone. The kernel writes rules in its own way, so text
# that we wrote is compared only with text that we wrote.
# `:CHAIN` creates a chain of ours or empties it. Jumps go first into their base chain, so
# that nobody's ACCEPT hides us, but last in nat POSTROUTING, so that a special rule wins. Where
# a new jump beside one that is there would give another order than WANT's, all are made anew.
batch() {
	awk -v table="$1" -v now="$2" -v before="${3-}" '
	function target(line) { sub(/.* /, "", line); return line }
	function base(key) { sub(/ .*/, "", key); return key }
	# text[CHAIN]: its rules. jump["BASE CHAIN"]: the line. Both in order in list[1..list[0]].
	function add(line, text, jump, list,   word, key) {
		split(line, word, " ")
		if (line ~ /^:/) key = substr(word[1], 2)
		else if (word[2] ~ /^WANMARK/) { text[word[2]] = text[word[2]] line "\n"; return }
		else key = word[2] " " target(line)
		if (key ~ / /) {
			# The same jump twice cannot come from us; the second goes.
			if (key in jump) twice = twice "-D" substr(line, 3) "\n"
			jump[key] = line
		} else text[key] = ""
		list[++list[0]] = key
	}
	function load(file, text, jump, list,   line) {
		if (file == "") return
		while ((getline line < file) > 0) add(line, text, jump, list)
		close(file) # NOW and BEFORE may be one file
	}
	function same(chain) { return chain in nowText && chain in oldText && oldText[chain] == wantText[chain] }
	{ add($0, wantText, wantJump, wants) }
	END {
		load(before, oldText, oldJump, olds); twice = ""
		load(now, nowText, nowJump, nows)
		for (i = 1; i <= wants[0]; i++) {
			key = wants[i]
			if (!(key in wantJump)) continue
			order[base(key)] = order[base(key)] key "\n"
			if (!(key in nowJump)) fresh[base(key)] = fresh[base(key)] key "\n"
		}
		for (i = 1; i <= nows[0]; i++) {
			key = nows[i]
			if (key in nowJump && key in wantJump && !seen[key]++) kept[base(key)] = kept[base(key)] key "\n"
		}
		for (name in order) {
			last = table == "nat" && name == "POSTROUTING"
			anew[name] = order[name] != (last ? kept[name] fresh[name] : fresh[name] kept[name])
		}
		last = ""
		jumps = twice
		for (i = 1; i <= nows[0]; i++) {
			key = nows[i]
			if (key in nowJump && (!(key in wantJump) || anew[base(key)]) && !gone[key]++) jumps = jumps "-D" substr(nowJump[key], 3) "\n"
			if (key in nowText && !(key in wantText)) { empty = empty "-F " key "\n"; drop = drop "-X " key "\n" }
		}
		for (i = 1; i <= wants[0]; i++) {
			key = wants[i]
			if (key in wantText && !same(key)) { heads = heads ":" key " - [0:0]\n"; rules = rules wantText[key] }
			if (!(key in wantJump) || (key in nowJump && !anew[base(key)])) continue
			line = wantJump[key]
			if (table == "nat" && key ~ /^POSTROUTING/) last = last line "\n"
			else { sub(/^-A [A-Z]+/, "&! 1", line); sub(/^-A/, "-I", line); sub(/!/, "", line); first = line "\n" first }
		}
		body = heads jumps empty rules first last drop
		if (body != "") printf "*%s\n%sCOMMIT\n", table, body
	}'
}

# restore PROGRAM FILE [--test]
restore() {
	[ -s "$2" ] || return 0
	if [ -z "${3-}" ]; then
		CHANGED=1
		printf "# %s-restore --wait=10 --noflush <<'EOF'\n" "$1" >&2
		sed 's/^/# /' "$2" >&2
		echo '# EOF' >&2
	fi
	# shellcheck disable=SC2086 # --test or nothing
	_said=$("$1-restore" ${3-} --wait=10 --noflush <"$2" 2>&1) || {
		_line=$(printf '%s\n' "$_said" | sed -n 's/.*line[: ]*\([0-9][0-9]*\).*/\1/p' | sed -n 1p)
		[ -z "$_line" ] || _said="$_said: $(sed -n "${_line}p" "$2")"
		die "$1-restore: $(printf '%s' "$_said" | tr '\n' ' ' | cut -c 1-300); does the kernel have these modules?"
	}
}

# --- the parts' verbs, for one table ----------------------------------------

# fw_part PART TABLE RENDER: defines the verbs of a part that is a table, but for those that it has
# defined itself. RENDER FAMILY writes what our part of the table should be.
fw_part() {
	for _verb in check remember report apply settle restore remove print unprint; do
		command -v "${1}_$_verb" >/dev/null 2>&1 || eval "${1}_$_verb() { fw_$_verb $2 $3; }"
	done
}

# Two parts ask for it; once is enough.
fw_check() {
	[ -z "${FW_CHECKED-}" ] || return 0
	for _family in $FAMILIES; do
		program "$_family"
		need "$PROGRAM" iptables
		need "$PROGRAM-save" iptables
		need "$PROGRAM-restore" iptables
	done
	_first=
	for _family in $FAMILIES; do
		program "$_family"
		variant "$PROGRAM"
		[ "${_first:-$VARIANT}" = "$VARIANT" ] || die "$IPTABLES is $_first and $PROGRAM is $VARIANT;" \
			"set IPTABLES and IP6TABLES to the same variant"
		_first=$VARIANT
		if has_ours "$COUNTERPART"; then
			die "$COUNTERPART holds wanmark rules, too; remove them first: 'wanmark.sh down' takes away both"
		fi
	done
	FW_CHECKED=1
}

# fw_each COMMAND ARGUMENT...: COMMAND PROGRAM TABLE FAMILY ARGUMENT... for both families.
# A family without WANs is visited as well: its rules of before have to go.
fw_each() {
	_table=$1
	shift
	for _each in 4 6; do
		program $_each
		_program=$PROGRAM
		if ! serves $_each && ! command -v "$_program-save" >/dev/null 2>&1; then continue; fi
		_file=${_program##*/}.$_table
		"$@"
	done
}

# fw_remember TABLE RENDER: also writes the batch and lets iptables test it, before anything is changed.
fw_remember() {
	fw_each "$1" fw_remember_one
	fw_each "$1" fw_prepare_one "$2"
}
fw_remember_one() {
	# Asked for once for all tables: nothing is changed before each part has remembered.
	[ -e "$WORK/$_each.saved" ] || "$_program-save" >"$WORK/$_each.saved" 2>/dev/null
	table "$_table" <"$WORK/$_each.saved" >"$WORK/$_file.table"
	ours <"$WORK/$_file.table" >"$WORK/$_file.now"
}

fw_prepare_one() {
	if serves "$_each"; then "$1" "$_each"; fi >"$WORK/$_file.want"
	_before=
	if [ -s "$STATE/$_file.want" ] && cmp -s "$WORK/$_file.now" "$STATE/$_file.have"; then
		_before=$STATE/$_file.want
	fi
	batch "$_table" "$WORK/$_file.now" "$_before" <"$WORK/$_file.want" >"$WORK/$_file.batch" || die 'awk failed'
	restore "$_program" "$WORK/$_file.batch" --test
}

# fw_report TABLE: what of the last `have` is not in the kernel any more.
fw_report() { fw_each "$1" fw_report_one; }
fw_report_one() {
	[ -s "$STATE/$_file.have" ] && ! cmp -s "$STATE/$_file.have" "$WORK/$_file.now" || return 0
	_gone=$(awk -v now="$WORK/$_file.now" '
		BEGIN {
			while ((getline line < now) > 0) {
				split(line, word, " ")
				if (line ~ /^:/) { chain[substr(word[1], 2)]; any = 1 }
				else if (word[2] ~ /^WANMARK/) rules[word[2]] = rules[word[2]] line "\n"
				else there[line]
			}
		}
		/^:/ { order[++count] = substr($1, 2); next }
		/^-A WANMARK/ { had[$2] = had[$2] $0 "\n"; next }
		!($0 in there) { out = out ", jump from " $2 " to " $NF }
		END {
			if (!any) { print "all of it"; exit }
			for (i = 1; i <= count; i++) {
				if (!(order[i] in chain)) out = out ", chain " order[i]
				else if (rules[order[i]] != had[order[i]]) out = out ", rules of " order[i]
			}
			print substr(out, 3)
		}' "$STATE/$_file.have") || die 'awk failed'
	# Something of ours may also be there twice: that is put right without a word.
	[ -z "$_gone" ] || missing "$_program $_table: $_gone"
}

fw_apply() { fw_each "$1" fw_apply_one; }
fw_apply_one() {
	[ -s "$WORK/$_file.batch" ] || return 0
	variant "$_program"
	if [ ! -s "$WORK/$_file.table" ] && [ "$VARIANT" = nft ] && ! grep -qsFx "$_each $_table" "$STATE/absent"; then
		printf '%s\n' "$_each $_table" >>"$STATE/absent"
	fi
	restore "$_program" "$WORK/$_file.batch"
}

fw_settle() {
	_noted=
	[ ! -e "$STATE/variant" ] || read -r _noted <"$STATE/variant"
	[ "$_noted" = "$_first" ] || printf '%s\n' "$_first" | keep "$STATE/variant"
	fw_each "$1" fw_settle_one
}
fw_settle_one() {
	[ -s "$WORK/$_file.batch" ] || return 0
	# Asked for once for all tables, too: all of them are applied before the first is settled.
	[ -e "$WORK/$_each.settled" ] || "$_program-save" >"$WORK/$_each.settled" 2>/dev/null
	table "$_table" <"$WORK/$_each.settled" | ours >"$WORK/$_file.have"
	# Who flushes between our restore and this look must not have his work taken for ours.
	same_shape "$WORK/$_file.have" "$WORK/$_file.want" || return 0
	keep "$STATE/$_file.have" <"$WORK/$_file.have"
	keep "$STATE/$_file.want" <"$WORK/$_file.want"
}

# same_shape A B: the same chains, with as many rules each. The kernel writes rules in its own way, but as many.
same_shape() {
	awk '
		{ key = /^:/ ? substr($1, 2) : $2 }
		FILENAME == ARGV[1] { surplus[key]++; next }
		{ surplus[key]-- }
		END { for (key in surplus) if (surplus[key]) exit 1 }' "$1" "$2"
}

fw_restore() { fw_each "$1" fw_restore_one; }
fw_restore_one() {
	saved "$_program" "$_table" | ours >"$WORK/$_file.undo"
	if ! cmp -s "$WORK/$_file.undo" "$WORK/$_file.now"; then
		batch "$_table" "$WORK/$_file.undo" "$WORK/$_file.undo" <"$WORK/$_file.now" >"$WORK/$_file.batch"
		restore "$_program" "$WORK/$_file.batch"
	fi
	[ -s "$WORK/$_file.table" ] || fw_unmake "$_program" "$_table"
}

# fw_remove TABLE: out of every variant that is installed, with no state needed.
fw_remove() {
	_table=$1
	variant "$IPTABLES"
	_other4=$COUNTERPART
	variant "$IP6TABLES"
	for _program in "$IPTABLES" "$IP6TABLES" "$_other4" "$COUNTERPART"; do
		command -v "$_program-save" >/dev/null 2>&1 || continue
		saved "$_program" "$_table" | ours >"$WORK/now"
		batch "$_table" "$WORK/now" </dev/null >"$WORK/batch" || die 'awk failed'
		restore "$_program" "$WORK/batch"
		fw_unmake "$_program" "$_table"
	done
	rm -f "$STATE"/*".$_table.want" "$STATE"/*".$_table.have"
}

# fw_unmake PROGRAM TABLE: iptables-nft leaves a table's base chains behind for ever, so
# `down` would not end where `up` began. A table that `up` found absent and that is
# empty now goes, by a restore that flushes: the nft variant answers that by deleting the
# whole table. With the legacy variant a table cannot be unloaded.
fw_unmake() {
	case ${1##*/} in ip6*) _noted="6 $2" ;; *) _noted="4 $2" ;; esac
	grep -qsFx "$_noted" "$STATE/absent" || return 0
	variant "$1"
	[ "$VARIANT" = nft ] || return 0
	saved "$1" "$2" >"$WORK/left"
	if [ -s "$WORK/left" ] && ! grep -q -e '^-A' -e '^:[^ ]* -' -e '^:[^ ]* DROP' "$WORK/left"; then
		printf '*%s\nCOMMIT\n' "$2" >"$WORK/empty"
		printf "# printf '*%s\\\\nCOMMIT\\\\n' | %s-restore\n" "$2" "$1" >&2
		"$1-restore" <"$WORK/empty" || die "$1-restore could not remove the empty table $2"
	fi
	grep -vFx "$_noted" "$STATE/absent" | keep "$STATE/absent"
}

# fw_print TABLE RENDER
fw_print() {
	for _each in $FAMILIES; do
		echo
		program "$_each"
		printf "%s-restore --wait=10 --noflush <<'EOF'\n" "$PROGRAM"
		"$2" "$_each" | batch "$1" "" || die 'awk failed'
		echo EOF
	done
}

# fw_unprint TABLE RENDER: `batch` reads what it is to take away twice, so from a file.
fw_unprint() {
	_rendered=$(mktemp) || die 'mktemp failed; is /tmp writable?'
	for _each in $FAMILIES; do
		echo
		program "$_each"
		printf "%s-restore --wait=10 --noflush <<'EOF'\n" "$PROGRAM"
		"$2" "$_each" >"$_rendered" 2>/dev/null
		batch "$1" "$_rendered" </dev/null || die 'awk failed'
		echo EOF
	done
	rm -f "$_rendered"
}
