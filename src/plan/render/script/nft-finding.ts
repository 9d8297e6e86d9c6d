/** The shell functions by which a printed script puts what it found into rules of nft, word for word. */

const ELEMENTS = `# elements LIST: prints the elements of a set, without networks that another one covers, which nft refuses.
elements() {
	printf '%s\\n' "$1" | awk '
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
			for (i = 1; i <= count; i++) left -= part[i] == "" ? 0 : part[i] ~ /\\./ ? 32 : 16
			for (i = 1; i <= count; i++) {
				if (part[i] != "") text = text (part[i] ~ /\\./ ? octets(part[i]) : group(part[i]))
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
}`;

const ANY_OF = `# any_of LIST RULE: prints the rule with the words of the list in place of its <>; nothing where there are none.
any_of() {
	_words=''
	for _one in $1; do _words="\${_words:+$_words, }\\"$_one\\""; done
	case $_words in '') return ;; *,*) _words="{ $_words }" ;; esac
	printf '%s\\n' "\${2%%<>*}$_words\${2#*<>}"
}`;

const EACH_MARK = `# each_mark LIST RULE: prints the rule for each VALUE/MASK of the list, in place of its <>.
each_mark() {
	for _one in $1; do printf '%s\\n' "\${2%%<>*}meta mark & \${_one#*/} == \${_one%/*}\${2#*<>}"; done
}`;

const AS_MATCHED = `# as_matched: reads a table and prints it without the rules that ask for IPsec, where the kernel cannot ask.
as_matched() {
	! takes 'rt ipsec exists return' || { cat && return; }
	[ -z "$(ip xfrm policy 2>/dev/null)" ] ||
		say "nft cannot ask for IPsec here, so what its policies should take is balanced and translated; exclude it"
	sed '/ ipsec exists /d'
}`;

/** The functions that a script with nft may call. */
export const NFT_FINDING = [ELEMENTS, ANY_OF, EACH_MARK, AS_MATCHED];
