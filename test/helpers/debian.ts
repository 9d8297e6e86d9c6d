import { mkdtempSync, readFileSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Lab } from '#wanmark/lab/lab.js';
import { childrenOf, Program } from '#wanmark/lab/program.js';
import { eventually } from './router-state.js';

const BOOT = fileURLToPath(new URL('../../test/helpers/debian-root.sh', import.meta.url));

/** A router of the lab that is a Debian machine with systemd and dpkg: this machine's root, of which it changes a copy. */
export class DebianRouter {
  readonly #folder: string;
  readonly #boot: Program;
  readonly #pid: number;

  private constructor(folder: string, boot: Program, pid: number) {
    this.#folder = folder;
    this.#boot = boot;
    this.#pid = pid;
  }

  static async boot(lab: Lab): Promise<DebianRouter> {
    const folder = mkdtempSync(join(tmpdir(), 'wanmark-debian-'));
    const boot = lab.router.spawn(['sh', BOOT, folder]);
    const systemd = async () => {
      if (!boot.running) throw boot.error('ended at once');
      return below(boot.pid).find((pid) => commandOf(pid) === 'systemd');
    };
    const pid = await eventually(systemd, (found) => found !== undefined, 'systemd');
    const router = new DebianRouter(folder, boot, pid!);
    // It is up when its socket answers and all that it starts is there, well or not.
    await eventually(
      () => router.sh('systemctl is-system-running || :'),
      (state) => /^(running|degraded)\n$/.test(state),
      'a machine that has booted',
    );
    return router;
  }

  /** Runs a shell script there, with an end at the first command that fails. @throws {SystemError} when it fails */
  async sh(script: string): Promise<string> {
    const enter = ['nsenter', '-t', String(this.#pid), '-m', '-p', '-n', '-u', '-i', '-C', '-r', '-w'];
    const argv = ['sh', '-ec', script];
    const program = new Program([...enter, ...argv], argv, true);
    program.end();
    const { code } = await program.exited;
    if (code !== 0) throw program.error(`failed (exit code ${code})`);
    return program.stdout;
  }

  async stop(): Promise<void> {
    process.kill(this.#pid, 'SIGKILL');
    await this.#boot.exited;
    rmdirSync(this.#folder);
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
