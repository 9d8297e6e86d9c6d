import { Lab } from '#wanmark/lab/lab.js';
import type { LabWan, NetworkOptions } from '#wanmark/lab/network.js';
import { type Daemon, Wanmark } from '#wanmark/lab/wanmark.js';
import { triedFlags } from './backend.js';
// For its check: the lab runs the command.
import './main.js';

export interface TestLabOptions extends NetworkOptions {
  /** Flags for `wanmark up` besides those of the WANs; when left out, `up` is not run. */
  readonly up?: readonly string[];
  /** Flags for `wanmark run` besides those of the WANs; when left out, no daemon runs. */
  readonly run?: readonly string[];
  /** Changes the description of a WAN that wanmark is given; default unchanged. */
  readonly tell?: (wan: LabWan) => LabWan;
  /** The command line, where it should be another than the one that is shipped. */
  readonly main?: string;
  /** Changes the network before `up` and `run`. */
  readonly prepare?: (lab: Lab) => Promise<void>;
}

/** One whose rules are made with what is tried. */
class TriedWanmark extends Wanmark {
  override up(...args: string[]) {
    return super.up(...triedFlags(args));
  }
}

export interface TestLab {
  readonly lab: Lab;
  readonly wanmark: Wanmark;
}

/**
 * Runs a test in a lab of its own, which is removed at the end whatever happens. With `run` there is a daemon, which
 * must end well. When the test fails, the daemon's messages are printed to standard error.
 */
export async function withLab(
  options: TestLabOptions & { readonly run: readonly string[] },
  use: (it: TestLab & { readonly daemon: Daemon }) => Promise<void>,
): Promise<void>;
export async function withLab(options: TestLabOptions, use: (it: TestLab) => Promise<void>): Promise<void>;
export async function withLab(
  options: TestLabOptions,
  use: (it: TestLab & { readonly daemon: Daemon }) => Promise<void>,
): Promise<void> {
  const lab = await Lab.start(options);
  let daemon: Daemon | undefined;
  try {
    const wanmark = new TriedWanmark(lab, lab.wans.map(options.tell ?? ((wan) => wan)), options.main);
    await options.prepare?.(lab);
    if (options.up) await wanmark.up(...options.up);
    if (options.run) daemon = await wanmark.run(...options.run);
    // Without `run` the signature that the caller sees has no daemon.
    await use({ lab, wanmark, daemon: daemon! });
    if (daemon?.program.running) await daemon.stop();
  } catch (error) {
    if (daemon?.program.stderr) process.stderr.write(`the daemon said:\n${daemon.program.stderr}`);
    throw error;
  } finally {
    await lab.stop();
  }
}

/** Sets up NAT like a router without wanmark: packets that leave by a WAN get the address of its device. */
export async function masquerade(lab: Lab): Promise<void> {
  if (lab.network.sharedPort) return;
  const tools = lab.network.ipv6 ? ['iptables', 'ip6tables'] : ['iptables'];
  const rules = lab.wans.map(({ dev }) => `-A POSTROUTING -o ${dev} -j MASQUERADE`);
  const input = ['*nat', ...rules, 'COMMIT', ''].join('\n');
  for (const tool of tools) await lab.router.exec([`${tool}-restore`, '--noflush'], { input });
}
