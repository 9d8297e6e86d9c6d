# shellcheck shell=sh disable=SC2034 # used by the other files
# Whose state is whose: an installation is one network namespace, and a network namespace has one installation. Sourced,
# never run.
#
# /run is often shared by several network namespaces (`ip netns exec`, a container with a network of its own), so the
# state knows its namespace. The first namespace with a state has WANMARK_RUN itself, any other one the folder
# WANMARK_RUN/netns-NUMBER. The number is the inode of the namespace, which repeats after a boot, and within a boot when a
# namespace ended. The first is why the boot is noted beside it; in the second case `up` finds nothing of ours in the new
# namespace and makes all of it.

# Where WANMARK_RUN is by default. Installations elsewhere leave a file in ELSEWHERE, named by the number of their
# namespace, with the boot and their folder.
USUAL=/run/wanmark
ELSEWHERE=$USUAL/elsewhere

# find_namespace: sets NAMESPACE to the number of our network namespace and the boot.
find_namespace() {
	_number=$(readlink /proc/self/ns/net | tr -dc 0-9)
	NAMESPACE="${_number:-0} $(cat /proc/sys/kernel/random/boot_id 2>/dev/null)"
}

# find_home: sets HOME_DIR to the folder of our network namespace.
find_home() {
	HOME_DIR=$WANMARK_RUN/netns-${NAMESPACE%% *}
	[ ! -d "$HOME_DIR/state" ] || return 0
	if is_of_another "$WANMARK_RUN/state" && lives "$OWNER"; then return 0; fi
	HOME_DIR=$WANMARK_RUN
}

# is_of_another STATE: whether a state is another namespace's of this boot; sets OWNER to that namespace's number. A state
# of an older version names none.
is_of_another() {
	read -r OWNER _boot 2>/dev/null <"$1/netns" || return 1
	[ "$OWNER $_boot" != "$NAMESPACE" ] && [ "$_boot" = "${NAMESPACE#* }" ]
}

# lives NUMBER: whether a network namespace still exists, as far as can be seen from here: it has a process or a name.
lives() {
	! grep -qsF "net:[$1]" /proc/self/mountinfo || return 0
	set +f # the one pattern
	_links=$(ls -l /proc/[0-9]*/ns/net 2>/dev/null)
	set -f
	case $_links in *"net:[$1]"*) ;; *) return 1 ;; esac
}

# refuse_second: ends the script if the rules in this network namespace are those of an installation in another folder. It
# would take them for damaged ones of its own, and both would repair for ever. Rules without a state are nobody's.
refuse_second() {
	[ ! -e "$STATE/up" ] || return 0
	for _other in "$USUAL" "$USUAL/netns-${NAMESPACE%% *}" "$(elsewhere)"; do
		is_first "$_other" || continue
		fail "this network namespace has an installation with its state in $_other; go on with WANMARK_RUN=${_other%/netns-*}, or run 'WANMARK_RUN=${_other%/netns-*} wanmark down' first"
	done
}

# is_first FOLDER: whether FOLDER, which is not ours, has the state of rules that are in our network namespace.
is_first() {
	[ -n "$1" ] && [ -e "$1/state/up" ] && ! is_of_another "$1/state" || return 1
	{ ip -N -4 rule show && ip -N -6 rule show; } 2>/dev/null | grep -q " proto $PROTOCOL\$" ||
		{ "$IPTABLES-save" && "$IP6TABLES-save"; } 2>/dev/null | grep -q '^:WANMARK'
}

# elsewhere: prints the folder of an installation of our network namespace that is not in the usual place.
elsewhere() {
	read -r _boot _folder 2>/dev/null <"$ELSEWHERE/${NAMESPACE%% *}" || return 0
	[ "$_boot" != "${NAMESPACE#* }" ] || printf '%s\n' "$_folder"
}

# register: lets others find an installation that is not in the usual place, as far as that can be written.
register() {
	case $HOME_DIR in "$USUAL" | "$USUAL"/netns-*) return 0 ;; esac
	mkdir -p "$ELSEWHERE" 2>/dev/null &&
		printf '%s\n' "${NAMESPACE#* } $HOME_DIR" 2>/dev/null >"$ELSEWHERE/${NAMESPACE%% *}"
	return 0
}

unregister() {
	[ "$(elsewhere)" != "$HOME_DIR" ] || rm -f "$ELSEWHERE/${NAMESPACE%% *}"
}
