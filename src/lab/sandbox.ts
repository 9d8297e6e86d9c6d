import { readFileSync } from 'node:fs';
import { SystemError } from '../errors.js';
import { childrenOf, Program } from './program.js';

/** The capability's bit in `CapEff` of /proc/PID/status (capabilities(7)). */
const CAP_SYS_ADMIN = 1n << 21n;

/**
 * The sandbox's first process. It ends at the end of its input: when the process that started it closes the pipe or
 * dies by any signal. When the first process of a process namespace ends, the kernel kills all the others there and
 * frees the namespaces (pid_namespaces(7)).
 */
const FIRST = `
mount -t tmpfs -o mode=755 lab /run && mkdir -p /run/netns && ip link set lo up || exit 1
if unshare -m mount -t sysfs sysfs /sys 2>/dev/null; then echo 'ready netns'; else echo 'ready nsenter'; fi
read -r end
`;

function mayUnshare(): boolean {
  const match = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  return process.geteuid?.() === 0 && match !== null && (BigInt(`0x${match[1]}`) & CAP_SYS_ADMIN) !== 0n;
}

export interface SpawnOptions {
  /** Name of a network namespace inside the sandbox; default the sandbox's own, empty one. */
  readonly netns?: string;
}

export interface ExecOptions extends SpawnOptions {
  /** Text for standard input; default none. */
  readonly input?: string;
  /** Exit codes that do not count as an error, or `any`; default 0 alone. */
  readonly okCodes?: readonly number[] | 'any';
  /** Time limit in milliseconds; default 60 000. */
  readonly timeoutMs?: number;
}

/** What a program wrote. */
export interface Output {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

/**
 * Private network, mount and process namespaces with a /run of their own, so that `ip netns add` and locks are private
 * too. They are in a user namespace when the caller is not root. They end with this process at the latest.
 */
export class Sandbox {
  readonly #first: Program;
  readonly #rootless: boolean;
  /** How a program enters a network namespace inside: by `ip netns exec` where /sys can be mounted, else by nsenter. */
  readonly #enter: 'netns' | 'nsenter';
  /** Process id of the first process, as seen from outside. */
  readonly pid: number;

  private constructor(first: Program, rootless: boolean, enter: 'netns' | 'nsenter', pid: number) {
    this.#first = first;
    this.#rootless = rootless;
    this.#enter = enter;
    this.pid = pid;
  }

  /** @throws {SystemError} where namespaces are not allowed, or `unshare` or `ip` is missing */
  static async start(): Promise<Sandbox> {
    const rootless = !mayUnshare();
    const kinds = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
    const argv = ['unshare', ...(rootless ? ['--user', '--map-root-user'] : []), ...kinds, 'sh', '-c', FIRST];
    const first = new Program(argv, ['unshare']);
    let line: string;
    try {
      line = await first.waitForLine(/^ready /);
    } catch (error) {
      const said = first.stderr.trim().split('\n').at(-1) || (error as Error).message;
      throw new SystemError(
        'LAB_NO_NAMESPACES',
        `cannot make namespaces (${said}); run it as root, or allow user namespaces ` +
          '(sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, ' +
          'kernel.apparmor_restrict_unprivileged_userns; in a container: --privileged)',
        { cause: error },
      );
    }
    const [pid] = childrenOf(first.pid);
    if (pid === undefined) throw first.error('ended at once');
    return new Sandbox(first, rootless, line === 'ready netns' ? 'netns' : 'nsenter', pid);
  }

  /** Its root directory, as seen from outside. */
  get root(): string {
    return `/proc/${this.pid}/root`;
  }

  /** The argv that runs `argv` inside the sandbox, from any process of the same user. */
  command(argv: readonly string[], { netns }: SpawnOptions = {}): string[] {
    const user = this.#rootless ? ['-U', '--preserve-credentials'] : [];
    const enter = ['nsenter', '-t', String(this.pid), ...user, '-m', '-n', '-p'];
    if (netns === undefined) return [...enter, ...argv];
    if (this.#enter === 'netns') return [...enter, 'ip', 'netns', 'exec', netns, ...argv];
    return [...enter, 'nsenter', `--net=/run/netns/${netns}`, ...argv];
  }

  spawn(argv: readonly string[], options: SpawnOptions = {}): Program {
    if (!this.#first.running) throw this.#first.error('has ended, and the sandbox with it');
    return new Program(this.command(argv, options), argv, true);
  }

  /** Runs a program inside until it ends. @throws {SystemError} when the program fails */
  async exec(argv: readonly string[], options: ExecOptions = {}): Promise<Output> {
    const program = this.spawn(argv, options);
    program.end(options.input);
    const timeout = setTimeout(() => program.kill('SIGKILL'), options.timeoutMs ?? 180_000);
    const exit = await program.exited;
    clearTimeout(timeout);
    const okCodes = options.okCodes ?? [0];
    if (exit.code === null || (okCodes !== 'any' && !okCodes.includes(exit.code))) {
      throw program.error(`failed (${exit.signal ?? `exit code ${exit.code}`})`);
    }
    return { stdout: program.stdout, stderr: program.stderr, code: exit.code };
  }

  /** Ends everything in the sandbox; resolves when all of it is gone. May be called again. */
  async stop(): Promise<void> {
    this.#first.end();
    await this.#first.exited;
  }

  /** Settles when the sandbox has ended, for whatever reason. */
  get ended(): Promise<unknown> {
    return this.#first.exited;
  }
}
