# shellcheck shell=sh disable=SC2153,SC2154 # set by lib.sh and wanmark.sh
# Our nft table: finding, replacing, testing and removing it. Sourced, never run.
#
# The table is ours alone, whatever is in it. A plan and a look at the machine have it as a list with a line for each part:
# `table inet wanmark`, `counter NAME`, `set NAME TYPE; FLAGS;`, `element SET ELEMENT`, `chain NAME [TYPE; POLICY;]` and
# `rule CHAIN WORDS`. Base chains are never removed while we run: removing one drops every packet that waits in any queue
# (__nf_unregister_net_hook -> nf_queue_nf_hook_drop).

NFT_TABLE='inet wanmark'

# run_nft ARGUMENT...: runs nft. It takes the hours of a rule to be of the time zone, and ours are in UTC.
run_nft() { TZ=UTC nft "$@"; }

# uses_nft: whether the rules are made with nft.
uses_nft() { [ "$BACKEND" = nft ]; }

# Our rule in the forward chains of others, with what it accepts (accept WORDS): what our table accepts, theirs may drop. A look
# has a line for each such chain: forward FAMILY TABLE CHAIN first|behind|none [HANDLE...].
FORWARD_COMMENT='wanmark forward'

# look_forward FILE: adds the lines of forward chains to FILE.
look_forward() {
	_chains=$(nft list chains 2>/dev/null) || return 0
	printf '%s\n' "$_chains" | awk '
		$1 == "table" { table = $2 " " $3 }
		$1 == "chain" { chain = $2 }
		/type filter hook forward / && table ~ /^(ip|ip6|inet) / && table != "inet wanmark" { print table, chain }' |
		while read -r _in _table _chain; do
			nft -a list chain "$_in" "$_table" "$_chain" 2>/dev/null | awk -v chain="$_in $_table $_chain" \
				-v comment="comment \"$FORWARD_COMMENT\"" -v all="$(uses_nft && echo 1)" '
				/# handle [0-9]+$/ && !/^\t?(table|chain) / {
					rules++
					if (index($0, comment)) { handles = handles " " $NF; if (rules == 1) first = 1 }
				}
				END { if (all || handles != "") print "forward", chain, (first ? "first" : handles == "" ? "none" : "behind") handles }'
		done >>"$1" || fail "cannot write $1; is the file system full?"
}

# accepts: whether there are rules of ours in the forward chains of others, or may be.
accepts() { [ "$VERB" = up ] || [ "$VERB" = down ] || grep -qs '^accept ' "$STATE/want/nft"; }

# look_nft DIR: writes our table to DIR/nft. Sets that packets or others fill, which have timeouts, are listed without their elements,
# and the chains of choices made ahead, which a daemon fills, without their rules.
look_nft() {
	: >"$1/nft" || fail "cannot write $1"
	# Where iptables has the rules, there is one only for `up` to take away.
	uses_nft || [ "$VERB" = up ] || return 0
	command -v nft >/dev/null 2>&1 || return 0
	! accepts || look_forward "$1/nft"
	# shellcheck disable=SC2086 # two words
	if ! _listed=$(run_nft -s list table $NFT_TABLE 2>/dev/null); then
		_said=$(run_nft -s list table $NFT_TABLE 2>&1 >/dev/null)
		case $_said in *'No such file'* | '') return 0 ;; esac
		# A kernel without nftables has none of our rules there.
		uses_nft || return 0
		failed "nft list table $NFT_TABLE" "$_said"
	fi
	printf '%s\n' "$_listed" | awk '
	function flush_set(   count, i, part) {
		print "set " name " " head
		if (head ~ /timeout/) return
		sub(/^elements = { /, "", elements)
		sub(/ }$/, "", elements)
		if (elements == "") return
		count = split(elements, part, /, */)
		for (i = 1; i <= count; i++) if (part[i] != "") print "element " name " " part[i]
	}
	/^table / { print "table " $2 " " $3; next }
	/^\t[a-z]+ [^ ]+ {/ {
		kind = $1; name = $2; head = elements = ""
		if (kind == "counter") print "counter " name
		next
	}
	/^\t}/ {
		if (kind == "set") flush_set()
		if (kind == "chain" && !shown[name]++) print "chain " name
		kind = ""
		next
	}
	{ sub(/^[ \t]+/, "") }
	kind == "set" && (elements != "" || /^elements = /) { elements = elements (elements == "" ? "" : " ") $0; next }
	kind == "set" && /./ { head = head (head == "" ? "" : " ") $0 ";"; next }
	kind == "chain" && /^type .* hook / { shown[name]++; print "chain " name " " $0; next }
	kind == "chain" && /./ {
		if (!shown[name]++) print "chain " name
		if (name !~ /^ahead[46][.]/) print "rule " name " " $0
	}' >>"$1/nft" || fail "cannot write $1; is the file system full?"
}

# replace_nft NOW THEN STEPS: writes the commands that turn the table in NOW into that in THEN, by making all of it anew but
# the base chains, and what packets or others have put into sets.
replace_nft() {
	: >"$3/nft" || fail "cannot write $3"
	! cmp -s "$1/nft" "$2/nft" || return 0
	replace_forward "$@"
	if ! grep -qs '^table ' "$2/nft"; then
		! grep -q '^table ' "$1/nft" || printf '%s\n' "delete table $NFT_TABLE" >>"$3/nft" || fail "cannot write $3; is the file system full?"
		return 0
	fi
	awk -v now="$1/nft" -v then="$2/nft" -v table="$NFT_TABLE" '
	function rest(line,   i) { for (i = 0; i < 2; i++) sub(/^[^ ]+ ?/, "", line); return line }
	BEGIN {
		print "add table", table
		while ((getline line < now) > 0) {
			split(line, word, " ")
			if (word[1] ~ /^(element|rule|table|forward|accept)$/) continue
			had[word[1] " " word[2]] = rest(line)
			order[++olds] = word[1] " " word[2]
		}
		while ((getline line < then) > 0) {
			split(line, word, " ")
			key = word[1] " " word[2]
			if (word[1] == "element") elements = elements "add element " table " " word[2] " { " rest(line) " }\n"
			else if (word[1] == "rule") rules = rules "add rule " table " " word[2] " " rest(line) "\n"
			else if (word[1] !~ /^(table|forward|accept)$/) {
				wanted[key]
				if (key in had) continue
				head = rest(line)
				made = made "add " word[1] " " table " " word[2] (head == "" ? "" : " { " head " }") "\n"
			}
		}
		printf "%s", made
		for (i = 1; i <= olds; i++) {
			split(order[i], word, " ")
			if (word[1] == "chain" || (word[1] == "set" && had[order[i]] !~ /timeout/)) print "flush", word[1], table, word[2]
		}
		printf "%s%s", elements, rules
		for (i = olds; i >= 1; i--) {
			split(order[i], word, " ")
			if (word[1] == "chain" && !(order[i] in wanted) && had[order[i]] == "") print "delete chain", table, word[2]
		}
		for (i = olds; i >= 1; i--) {
			split(order[i], word, " ")
			if (word[1] != "chain" && !(order[i] in wanted)) print "delete", word[1], table, word[2]
		}
	}' >>"$3/nft" || fail "cannot write $3; is the file system full?"
}

# replace_forward NOW THEN STEPS: the same for our rules in the chains of others; THEN is a plan, or what an undo goes back to.
# A plan for iptables says nothing of nft.
replace_forward() {
	_accepted=$(sed -n 's/^accept //p' "$2/nft" 2>/dev/null)
	[ -n "$_accepted" ] || _accepted=$(sed -n 's/^accept //p' "$STATE/want/nft" 2>/dev/null)
	awk -v then="$2/nft" -v words="$_accepted" -v comment="$FORWARD_COMMENT" '
	BEGIN {
		while ((getline line < then) > 0) {
			split(line, word, " ")
			if (word[1] == "accept") all = 1
			if (word[1] == "forward" && word[5] != "none") had[word[2], word[3], word[4]]
		}
	}
	$1 == "forward" {
		wanted = words != "" && (all || ($2, $3, $4) in had)
		if (wanted && $5 == "first" && NF == 6) next
		if (wanted) print "insert rule", $2, $3, $4, words, "comment \"" comment "\""
		for (i = 6; i <= NF; i++) print "delete rule", $2, $3, $4, "handle", $i
	}' "$1/nft" >>"$3/nft" || fail "cannot write $3; is the file system full?"
}

# test_nft STEPS: lets nft and the kernel read the steps before anything is changed.
test_nft() {
	[ -s "$1/nft" ] || return 0
	need nft nftables
	nft_batch "$1/nft" -c
}

# apply_nft STEPS: carries out the steps, which the kernel takes as a whole or not at all.
apply_nft() {
	[ -s "$1/nft" ] || return 0
	ran "nft -f -" "$1/nft"
	nft_batch "$1/nft"
}

# nft_batch FILE [-c]: gives FILE to nft; ends the script if it, or the kernel, refuses.
nft_batch() {
	# shellcheck disable=SC2086 # -c or nothing
	_said=$(run_nft ${2-} -f "$1" 2>&1) && return 0
	_line=$(printf '%s\n' "$_said" | sed -n 's/^[^ ]*:\([0-9][0-9]*\):[0-9-]*: .*/\1/p' | sed -n 1p)
	failed "nft -f -" "$(printf '%s\n' "$_said" | sed -n '1s/^[^ ]*: Error: //p;1!{/Error: /p;}' | sed -n 1p)" \
		"${_line:+$(sed -n "${_line}p" "$1")}"
}

# settle_nft: notes what the kernel made of our table. If somebody flushes between our batch and this look, that must not be
# taken for our work, so the table is noted only where it has as many parts as were asked for.
settle_nft() {
	[ -s "$FOLDER/steps/nft" ] || return 0
	mkdir -p "$WORK/settled" || fail "cannot write $WORK"
	look_nft "$WORK/settled"
	same_parts "$WORK/settled/nft" "$FOLDER/want/nft" || return 0
	# In this order: a crash in between leaves a `have` that the kernel does not have, so nothing is trusted.
	run_quietly mv -f "$FOLDER/want/nft" "$STATE/want/nft"
	run_quietly mv -f "$WORK/settled/nft" "$STATE/have/nft"
}

# same_parts A B: whether both have the same sets and chains with the same number of elements and rules each.
same_parts() {
	awk '
		$1 == "forward" || $1 == "accept" { next }
		FILENAME == ARGV[1] { surplus[$1 " " $2]++; next }
		{ surplus[$1 " " $2]-- }
		END { for (part in surplus) if (surplus[part]) exit 1 }' "$1" "$2"
}

# missing_nft HAVE: prints an event for each part that the last settle noted and that is not as it was.
missing_nft() {
	[ -s "$STATE/have/nft" ] || return 0
	awk -v have="$1/nft" -v table="$NFT_TABLE" -v accepts="$(grep -s '^accept ' "$STATE/want/nft")" '
	function gone(what) { printf "{\"event\":\"missing\",\"program\":\"nft\",\"table\":\"%s\",\"what\":\"%s\"}\n", table, what }
	function read_into(file, part, text,   line, word) {
		while ((getline line < file) > 0) {
			split(line, word, " ")
			if (file == have && accepts != "" && word[1] == "forward" && word[5] != "first") lacking = lacking "rule of " word[2] " " word[3] " " word[4] "\n"
			if (word[1] == "forward" || word[1] == "accept") continue
			if (word[1] == "rule" || word[1] == "element") text[word[2]] = text[word[2]] line "\n"
			else { part[word[1] " " word[2]]; if (file != have) order[++count] = word[1] " " word[2] }
		}
	}
	BEGIN {
		read_into(have, there, now)
		count = split(lacking, lacks, "\n")
		for (i = 1; i < count; i++) gone(lacks[i])
		count = 0
		read_into(ARGV[1], asked, then)
		if (!("table inet" in there)) { gone("all of it"); exit }
		for (i = 1; i <= count; i++) {
			split(order[i], word, " ")
			if (!(order[i] in there)) gone(order[i])
			else if (now[word[2]] != then[word[2]]) gone((word[1] == "set" ? "elements of " : "rules of ") word[2])
		}
	}' "$STATE/have/nft"
}

# remove_nft: removes our table. Needs no state.
remove_nft() {
	command -v nft >/dev/null 2>&1 || return 0
	mkdir -p "$WORK/forward" || fail "cannot write $WORK"
	: >"$WORK/forward/nft" || fail "cannot write $WORK"
	look_forward "$WORK/forward/nft"
	sed -n 's/^forward \([^ ]* [^ ]* [^ ]*\) [a-z]* \([0-9].*\)/\1 \2/p' "$WORK/forward/nft" | while read -r _in _table _chain _handles; do
		for _handle in $_handles; do
			ran "nft delete rule $_in $_table $_chain handle $_handle"
			_said=$(nft delete rule "$_in" "$_table" "$_chain" handle "$_handle" 2>&1) || failed "nft delete rule" "$_said"
		done
	done
	# shellcheck disable=SC2086 # two words
	nft -t list table $NFT_TABLE >/dev/null 2>&1 || return 0
	ran "nft delete table $NFT_TABLE"
	# shellcheck disable=SC2086 # two words
	_said=$(nft delete table $NFT_TABLE 2>&1) || failed "nft delete table $NFT_TABLE" "$_said"
}
