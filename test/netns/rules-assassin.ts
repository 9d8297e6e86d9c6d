import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

const FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin', '/usr/local/bin'];

/** The deed in place of a program: the executor and everything that it started is killed. */
const KILL = 'kill -KILL -$EXECUTOR';

/**
 * A folder for PATH that does a deed before the N-th program that the executor starts, whichever it is: it has a link
 * to one script for each program of the machine. The executor has a session of its own, so that everything it started
 * can die with it while the process that started it lives.
 *
 * The script uses only what the shell can do itself. Programs of a pipe start at the same time; each gets a number of
 * its own, since only one of them can create a file.
 */
export class Assassin {
  readonly path: string;
  readonly #numbers: string;
  readonly #plan: string;

  /** @param directory a folder of the machine where new folders may be made */
  constructor(directory: string) {
    this.path = join(directory, 'assassin');
    this.#numbers = join(this.path, '.numbers');
    this.#plan = join(this.path, '.plan');
    mkdirSync(this.path);
    const script = join(this.path, '.script');
    writeFileSync(
      script,
      `#!/bin/dash
name=\${0##*/}
if [ "$name" = sh ]; then
	export EXECUTOR=$$ STARTER=$PPID
	exec setsid dash "$@"
fi
PATH=\${PATH#${this.path}:}
if [ -n "\${EXECUTOR-}" ]; then
	read -r at which deed <"${this.#plan}"
	case $name in
	$which)
		set -C
		n=1
		until true >"${this.#numbers}/$n"; do n=$((n + 1)); done 2>/dev/null
		set +C
		if [ "$n" = "$at" ]; then
			echo "$name" >|"${this.#numbers}/$n"
			eval "$deed"
		fi
		;;
	esac
fi
exec "$name" "$@"
`,
    );
    chmodSync(script, 0o755);
    const names = new Set(
      FOLDERS.filter((folder) => existsSync(folder)).flatMap((folder) => readdirSync(folder)),
    );
    // These variables belong to the script itself.
    for (const name of ['dash', 'setsid', '[']) names.delete(name);
    for (const name of names) symlinkSync(script, join(this.path, name));
    this.rest();
  }
  /** Cancels the planned deed. */
  rest(): void {
    this.strike(0);
  }

  /**
   * Plans the deed for the program with this number.
   * @param which counts only programs whose names match this shell pattern
   * @param deed text for the shell, which knows EXECUTOR and STARTER, the ids of these processes
   */
  strike(number: number, which = '*', deed = KILL): void {
    writeFileSync(this.#plan, `${number} ${which} ${deed}\n`);
    rmSync(this.#numbers, { recursive: true, force: true });
    mkdirSync(this.#numbers);
  }

  /** The program that the deed was done before; undefined when there were fewer programs. */
  victim(number: number): string | undefined {
    const file = join(this.#numbers, String(number));
    return existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined;
  }

  /** How many programs were started since the plan was made. */
  get count(): number {
    return readdirSync(this.#numbers).length;
  }
}
