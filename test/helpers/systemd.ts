import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Lab } from '#wanmark/lab/lab.js';
import { childrenOf, Program } from '#wanmark/lab/program.js';
import { eventually } from './router-state.js';

const SCRIPT = fileURLToPath(new URL('../../test/helpers/systemd.sh', import.meta.url));
/** The source tree, which is there under the same path. */
export const TREE = fileURLToPath(new URL('../../', import.meta.url)).replace(/\/$/, '');

export interface Said {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Where {
  /** A lab whose router it is to be; otherwise its network is empty. */
  readonly lab?: Lab;
  /** Folders that are there under the same path, besides the source tree. */
  readonly shared?: readonly string[];
}

/** A machine that systemd has booted; see test/helpers/systemd.sh. It ends with this process at the latest. */
export class Systemd {
  readonly #holder: Program;
  readonly #folder: string;
  readonly #pid: number;

  private constructor(holder: Program, folder: string, pid: number) {
    this.#holder = holder;
    this.#folder = folder;
    this.#pid = pid;
  }

  static async boot({ lab, shared = [] }: Where = {}): Promise<Systemd> {
    const folder = mkdtempSync(join(tmpdir(), 'wanmark-systemd-'));
    // What it mounts is in a namespace, and so ends with it.
    const argv = (network: string) => ['unshare', '-m', 'sh', SCRIPT, folder, network, TREE, ...shared];
    const holder = lab === undefined ? new Program(argv('own')) : lab.router.spawn(argv('here'));
    await holder.waitForLine(/^ready$/);
    const systemd = () => below(holder.pid).find((pid) => commandOf(pid) === 'systemd');
    const pid = await eventually(
      async () => systemd(),
      (found) => found !== undefined,
      'systemd',
    );
    const machine = new Systemd(holder, folder, pid!);
    await eventually(
      () => machine.run('systemctl is-active wanmark-test.target'),
      ({ stdout }) => stdout === 'active\n',
      'systemd is up',
    );
    return machine;
  }

  /** Runs a shell script in it, in the source tree. */
  async run(script: string): Promise<Said> {
    const enter = ['nsenter', '-t', String(this.#pid), '-a'];
    const clean = [
      'env',
      '-i',
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      'LC_ALL=C',
    ];
    const program = new Program([...enter, ...clean, 'sh', '-ec', `cd '${TREE}'\n${script}`], [script]);
    program.end();
    const { code } = await program.exited;
    return { code, stdout: program.stdout, stderr: program.stderr };
  }

  /** What a script prints. @throws Error when it fails */
  async sh(script: string): Promise<string> {
    const { code, stdout, stderr } = await this.run(script);
    if (code !== 0) throw new Error(`${script}: exit code ${code}\n${stdout}${stderr}`);
    return stdout;
  }

  async stop(): Promise<void> {
    this.#holder.end();
    await this.#holder.exited;
    rmSync(this.#folder, { recursive: true });
  }
}

/** A process and all that it has started, directly or not. */
function below(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(below)];
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return ''; // it has ended since
  }
}
