# shellcheck shell=sh disable=SC2034 # used by the other files
# What the executor's files share: messages, running commands, the lock, the state. Sourced, never run.
#
# "set -e" is left out: it is off inside every condition, so a function would mean one thing when it is tested and
# another when it is not. Failures are handled where they happen. "set -f" is on because values are split into words
# on purpose and must not be globbed; one place turns it off and says so.
set -fu
# The state names programs that run as root, so nobody else may write it.
umask go-w
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH

# The rtm_protocol number that marks every ip rule and route as ours; iproute2 has no name for 100 to 185.
PROTOCOL=119
NEWLINE='
'
TABLES='mangle nat filter'
: "${WANMARK_RUN:=/run/wanmark}"

# json TEXT: puts TEXT into JSON, as a quoted string. Line ends become blanks.
json() {
	case $1 in
	*[\\\"]* | *[[:cntrl:]]*) JSON=\"$(printf '%s' "$1" | tr '[:cntrl:]' ' ' | sed 's/[\\"]/\\&/g')\" ;;
	*) JSON=\"$1\" ;;
	esac
}

# say_event NAME [MEMBERS]: prints an event, a JSON object on one line.
say_event() { printf '{"event":"%s"%s}\n' "$1" "${2:+,$2}"; }

# fail TEXT: ends the script because the machine is not as needed (exit 1). misuse TEXT: because the caller erred
# (exit 2).
fail() {
	json "$1"
	say_event failed "\"said\":$JSON"
	exit 1
}

misuse() {
	printf 'wanmark: %s\n' "$1" >&2
	exit 2
}

# failed COMMAND SAID [LINE]: ends the script because a command of a step went wrong.
failed() {
	json "$1"
	_members="\"command\":$JSON"
	json "$2"
	_members="$_members,\"said\":$JSON"
	if [ -n "${3-}" ]; then
		json "$3"
		_members="$_members,\"line\":$JSON"
	fi
	say_event failed "$_members"
	exit 1
}

# ran COMMAND [FILE]: reports a command, and the input it is given, before it is run.
ran() {
	json "$1"
	_members="\"command\":$JSON"
	[ -z "${2-}" ] || _members="$_members,\"input\":[$(json_lines "$2")]"
	say_event ran "$_members"
}

json_lines() { awk '{ gsub(/[\\"]/, "\\\\&"); printf "%s\"%s\"", (NR > 1 ? "," : ""), $0 }' "$1"; }

# run_quietly COMMAND...: runs a command on our own files without reporting it; a failure ends the script.
run_quietly() { _said=$("$@" 2>&1) || failed "$*" "$_said"; }

# need PROGRAM PACKAGE: ends the script if the program is not installed.
need() {
	command -v "$1" >/dev/null 2>&1 || fail "$1 is not installed; apt-get install $2"
}

# need_iproute2: ends the script if there is no ip, or only busybox's, which knows no protocol of a rule. A caller that is
# asked has looked by itself, and may be the daemon, which looks often.
need_iproute2() {
	need ip iproute2
	[ -z "$ASK" ] || return 0
	case $(ip -V 2>&1) in
	*iproute2*) ;;
	*) fail "ip is not the one of iproute2, which is needed (busybox's does not suffice); apt-get install iproute2" ;;
	esac
}

# CAP_NET_ADMIN is bit 12 of the effective set, capabilities(7). The user id says nothing: a service may have the
# capability without root, a container root without it.
need_privilege() {
	_caps=$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)
	[ $((0x${_caps:-0} >> 12 & 1)) = 1 ] || fail 'needs CAP_NET_ADMIN; run it as root (sudo)'
}

# read_programs: reads the iptables of each family from the plan or the environment, their variant, and who has the rules.
read_programs() {
	IPTABLES=${IPTABLES:-iptables} IP6TABLES=${IP6TABLES:-ip6tables} VARIANT='' BACKEND=iptables
	if [ -n "$FOLDER" ]; then
		{ read -r IPTABLES && read -r IP6TABLES && read -r VARIANT && read -r BACKEND; } <"$FOLDER/programs" || :
	fi
	for _program in "$IPTABLES" "$IP6TABLES"; do
		case $_program in
		'' | -* | *[!A-Za-z0-9/._-]*) misuse "IPTABLES and IP6TABLES are names of programs, not '$_program'" ;;
		esac
	done
}

# program FAMILY: puts the family's iptables into PROGRAM.
program() { if [ "$1" = 4 ]; then PROGRAM=$IPTABLES; else PROGRAM=$IP6TABLES; fi; }

# --- lock and state ---------------------------------------------------------

# The folder of a network namespace (see namespace.sh) holds `lock`, `work` for one run, and `state`, which lives from up
# to down and contains
#   netns        the network namespace, and the boot
#   sysctl       DEVICE VALUE of src_valid_mark before we changed it, written before the change
#   absent       FAMILY TABLE of tables that did not exist before up
#   want/ have/  what was asked for, and what the kernel made of it; as in a plan's folder
#   up           exists while the rules are up
# and the files from keep/ of the plan's folder.
begin() {
	need flock util-linux
	find_namespace
	find_home
	take_lock
	# The process that had the lock may have been another namespace's first `up`, which takes this folder.
	_locked=$HOME_DIR
	find_home
	[ "$HOME_DIR" = "$_locked" ] || take_lock
	STATE=$HOME_DIR/state WORK=$HOME_DIR/work UNDO='' FRESH='' MISSING=''
	trap finish EXIT
	# If the process that started us dies in the middle, the transaction goes on without a reader.
	trap '' PIPE
	trap 'exit 1' HUP INT TERM
	if is_of_another "$STATE"; then rm -rf "$STATE"; fi
	[ -d "$STATE" ] || FRESH=1
	{ rm -rf "$WORK" && mkdir -p "$STATE" "$WORK"; } 2>/dev/null || fail "cannot write below $HOME_DIR"
	refuse_second
	keep "$STATE/netns" echo "$NAMESPACE"
}

take_lock() {
	mkdir -p "$HOME_DIR" 2>/dev/null || fail "cannot create $HOME_DIR; set WANMARK_RUN to a directory"
	# A user who can write to this folder can make us write elsewhere, by links, and name the programs that we run.
	# shellcheck disable=SC3067 # -O is in dash, busybox and bash
	[ -O "$HOME_DIR" ] || fail "$HOME_DIR belongs to another user; run it as that user (as root, wanmark does so by itself)"
	# Others must not be able to take the lock, and with it keep us from working. A redirection that fails in `exec` ends
	# a shell at once, so it is tried first.
	# A FIFO would wait for somebody who reads it, and a link lead elsewhere.
	if [ -h "$HOME_DIR/lock" ] || { [ -e "$HOME_DIR/lock" ] && [ ! -f "$HOME_DIR/lock" ]; }; then
		fail "$HOME_DIR/lock is not a regular file; move it away"
	fi
	{ (umask 077 && : >>"$HOME_DIR/lock") && chmod 600 "$HOME_DIR/lock"; } 2>/dev/null ||
		fail "cannot write $HOME_DIR/lock; set WANMARK_RUN to a directory"
	exec 9>"$HOME_DIR/lock"
	wait_for_lock "${WANMARK_LOCK_SECONDS:-15}" ||
		fail "another wanmark script holds $HOME_DIR/lock; wait for it to end"
}

# wait_for_lock SECONDS: waits for the lock. busybox's flock has no -w.
wait_for_lock() {
	flock -n 9 && return 0
	_said=$(flock -w "$1" 9 2>&1) && return 0
	case $_said in *option*) ;; *) return 1 ;; esac
	_seconds=$1
	while [ "$_seconds" -gt 0 ]; do
		sleep 1
		flock -n 9 && return 0
		_seconds=$((_seconds - 1))
	done
	return 1
}

# finish runs at every exit.
finish() {
	_code=$?
	trap '' HUP INT TERM
	[ -z "$UNDO" ] || undo
	# After a first up that failed there is nothing to remember.
	[ -z "$FRESH" ] || rm -rf "$STATE"
	rm -rf "$WORK"
	exit "$_code"
}

# keep FILE COMMAND...: replaces FILE at once by the command's output; a crash leaves the old file or the new one. The
# command may exit with 1, as grep does when it finds nothing.
keep() {
	_kept=$1
	shift
	"$@" >"$_kept.new"
	if [ $? -gt 1 ] || ! mv "$_kept.new" "$_kept"; then fail "cannot write $_kept; is the file system full?"; fi
}

# reserve FOLDER: takes the room that the rest of the work needs in the state's file system, while nothing is changed: a
# full one is refused here. All of it is some times what FOLDER holds. release gives it back, to who needs it next.
reserve() {
	_blocks=$(du -sk "$1" 2>/dev/null | sed 's/[^0-9].*//')
	dd if=/dev/zero of="$WORK/reserve" bs=1024 count=$((2 * ${_blocks:-0} + 32)) 2>/dev/null ||
		fail "cannot write below $HOME_DIR; is the file system full?"
}

release() { rm -f "$WORK/reserve"; }

# report_missing HAVE: reports what the last settle noted and is not there any more.
report_missing() {
	_gone=$(missing_tables "$1" && missing_nft "$1" && missing_routing "$1" && missing_settings)
	[ -n "$_gone" ] || return 0
	MISSING=1
	printf '%s\n' "$_gone"
}
