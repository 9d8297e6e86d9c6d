"""Runs a program on a terminal of its own: terminal.py COLUMNS ROWS PROGRAM ARGUMENTS...

Standard input has a JSON object on each line: {"send": text}, {"size": [columns, rows]} or {"signal": number}. Standard output gets
{"shown": text} for all that the program writes, and at its end {"code": exit code, "raw": whether the terminal was left raw}.
"""

import fcntl, json, os, pty, select, struct, sys, termios


def set_size(fd, columns, rows):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def say(**fields):
    print(json.dumps(fields), flush=True)


columns, rows, argv = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
pid, fd = pty.fork()
if pid == 0:
    set_size(0, columns, rows)
    os.execvp(argv[0], argv)

commands = b""
inputs = [fd, 0]
while True:
    for ready in select.select(inputs, [], [])[0]:
        try:
            data = os.read(ready, 65536)
        except OSError:
            data = b""
        if ready == fd and data == b"":
            status = os.waitpid(pid, 0)[1]
            code = os.waitstatus_to_exitcode(status)
            say(code=code)
            sys.exit(0)
        if ready == fd:
            say(shown=data.decode("utf-8", "replace"))
            raw = not termios.tcgetattr(fd)[3] & termios.ICANON
            say(raw=raw)
            continue
        if data == b"":
            inputs = [fd]
            continue
        commands += data
        *lines, commands = commands.split(b"\n")
        for line in lines:
            command = json.loads(line)
            if "send" in command:
                os.write(fd, command["send"].encode())
            if "size" in command:
                set_size(fd, *command["size"])
            if "signal" in command:
                os.kill(pid, command["signal"])
