/** Another program on wanmark's router, as Debian packs it: it comes, changes things and goes. */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import type { Host } from '#wanmark/lab/host.js';
import type { Lab, LabFlow } from '#wanmark/lab/lab.js';
import { differences, snapshot } from '#wanmark/lab/snapshot.js';
import type { Wanmark } from '#wanmark/lab/wanmark.js';
import { CommandLines } from './command-lines.js';
import { type TestLabOptions, withLab } from './lab.js';
import { eventually } from './router-state.js';
import { statusOf } from './status.js';
import { tally } from './traffic.js';

/** Runs a program there; see its head. */
export const WITHIN = fileURLToPath(new URL('../../test/helpers/within-packages.sh', import.meta.url));
/** Where packages.sh unpacks them. */
export const PACKAGES = fileURLToPath(new URL('../packages', import.meta.url));
export const COUNT = 20;
export const EVENLY = { wan1: COUNT / 2, wan2: COUNT / 2 };

/**
 * Runs a shell script on a host where the packages of packages.sh are installed. What it leaves running must not keep its
 * output open.
 */
export async function packaged(host: Host, script: string): Promise<string> {
  return (await host.exec(packagedArgv(host, ['sh', '-ec', script]), { input: '' })).stdout;
}

/** The argv that runs a program on a host, to be entered by itself, where the packages of packages.sh are installed. */
export function packagedArgv(host: Host, argv: readonly string[]): string[] {
  return ['unshare', '-m', WITHIN, PACKAGES, `/run/packages-${host.name}`, ...argv];
}

/** The WAN that the server saw a connection come by, also from another address of that WAN's network than the lab's. */
function wanOf({ seenAs, error }: LabFlow): string {
  const [, last] = /^198\.51\.100\.(\d+)$/.exec(seenAs.at(-1)?.address ?? '') ?? [];
  return error ?? (last === undefined ? 'none' : `wan${Math.floor(Number(last) / 8) + 1}`);
}

/** Counts connections by the WAN that they came by. */
export function shares(flows: readonly LabFlow[]): Record<string, number> {
  return tally(flows.map((flow) => ({ wan: wanOf(flow) })));
}

/** Tells whether all is well with wanmark. */
export class Beside {
  readonly lab: Lab;
  readonly wanmark: Wanmark;
  readonly commandLines: CommandLines;
  /** Connections of a client that stay open, half of them by each WAN. */
  held: readonly LabFlow[] = [];

  constructor(lab: Lab, wanmark: Wanmark) {
    this.lab = lab;
    this.wanmark = wanmark;
    this.commandLines = CommandLines.on(lab.router);
  }

  /** Runs a script of the program's packages on the router. */
  run(script: string): Promise<string> {
    return packaged(this.lab.router, script);
  }

  /** Waits until a script succeeds on the router. */
  async until(script: string, what = script): Promise<void> {
    const look = () => this.lab.router.exec(['sh', '-ec', script], { okCodes: 'any' });
    await eventually(look, ({ code }) => code === 0, what);
  }

  /** Waits until the rules are whole, after something that writes rules or routes. */
  async whole(what: string): Promise<void> {
    await eventually(
      () => this.commandLines.run('check'),
      ({ status }) => status === 0,
      `the rules are there after ${what}`,
    );
  }

  /** Opens the connections that are held from now on. */
  async hold(): Promise<void> {
    this.held = await this.lab.connect({ count: COUNT, hold: true });
  }

  /**
   * Checks after something has happened where 20 new connections go, and that held ones live.
   * @param where the WANs' shares; default both evenly
   * @param cut the WAN whose held connections cannot live any more
   */
  async well(what: string, where: Record<string, number> = EVENLY, cut?: string): Promise<void> {
    await eventually(
      async () => (await statusOf(this.wanmark)).wans.filter(({ state }) => state === 'up'),
      (up) => up.map(({ name }) => name).join() === Object.keys(where).join(),
      `the daemon knows of ${what}`,
    );
    assert.deepEqual(shares(await this.lab.connect({ count: COUNT })), where, what);
    const living = this.held.filter((flow) => wanOf(flow) !== cut);
    const again = await this.lab.exchange(this.lab.client, living, 30_000);
    const failed = again.flatMap(({ error }) => error ?? []);
    assert.deepEqual(failed, [], `connections from before ${what}`);
  }
}

/** What `down` has to leave as it was, whatever the program did to routes of its own. */
async function ours(lab: Lab): Promise<string[]> {
  const lines = await snapshot(lab.router);
  return lines.filter(
    (line) => /^(-A|:|\d+:)|\/wan\d\/src_valid_mark/.test(line) || /proto 119|table 1\d{3}/.test(line),
  );
}

/**
 * Runs a test with wanmark and its daemon on a router with two WANs, and connections held by each. In the end the program
 * has gone, and after `down` the machine is as it was.
 */
export async function beside(
  options: Omit<TestLabOptions, 'up' | 'run'>,
  use: (it: Beside) => Promise<void>,
): Promise<void> {
  let before: string[] = [];
  const prepare = async (lab: Lab) => {
    await options.prepare?.(lab);
    before = await ours(lab);
  };
  await withLab(
    { wans: 2, ipv6: false, ...options, prepare, up: [], run: [] },
    async ({ lab, wanmark, daemon }) => {
      const it = new Beside(lab, wanmark);
      await it.hold();
      await use(it);
      await it.whole('all');
      await daemon.stop();
      await wanmark.down();
      assert.deepEqual(differences(before, await ours(lab)), [], 'what is left after down');
    },
  );
}
