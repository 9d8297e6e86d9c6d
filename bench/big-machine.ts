import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { MAIN } from './daemon.js';

/** How much there is on a machine that wanmark's configuration does not name. */
export interface MachineSize {
  readonly wans: number;
  /** Devices beside the WANs'; they are made in pairs. */
  readonly devices: number;
  /** Routes in the main table, none of which covers another. */
  readonly routes: number;
}

/** Routes that come and go while the daemon runs are of this network. */
const CHURN = (i: number) => `203.0.${i}.0/24 via 100.64.1.1`;

/**
 * A user namespace is only for users who are not root: in one, iptables may not have a socket's buffer that is large
 * enough for the rules of 60 WANs (SO_SNDBUFFORCE).
 */
const USER = process.getuid?.() === 0 ? [] : ['-Ur'];

/** A router with much on it, in a network namespace of its own. */
export class BigMachine {
  readonly #holder: ChildProcess;
  readonly #flags: readonly string[];
  #daemon: ChildProcess | undefined;

  private constructor(holder: ChildProcess, { wans }: MachineSize) {
    this.#holder = holder;
    this.#flags = Array.from({ length: wans }, (_, i) => [
      '--wan',
      `w${i + 1},dev=w${i + 1},via=auto`,
    ]).flat();
  }

  static async start(size: MachineSize): Promise<BigMachine> {
    const inside = 'mount -t tmpfs tmpfs /run && ip link set lo up && echo ready && exec cat';
    const holder = spawn('unshare', [...USER, '-nm', 'sh', '-c', inside], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(holder.stdout!, 'data');
    const machine = new BigMachine(holder, size);
    machine.#sh('ip -batch -', [...links(size), ...routes(size)].join('\n'));
    return machine;
  }

  /** Runs a command of wanmark. @returns how many milliseconds it took */
  wanmark(verb: 'up' | 'refresh' | 'down'): number {
    const before = performance.now();
    this.#run([process.execPath, MAIN, verb, ...(verb === 'up' ? this.#flags : [])]);
    return performance.now() - before;
  }

  /** Starts the daemon and waits until its first look at everything is over, which starts programs. */
  async run(): Promise<void> {
    const argv = this.#inside([process.execPath, MAIN, 'run', ...this.#flags, '--socket', '/run/socket']);
    this.#daemon = spawn('nsenter', argv, {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, WANMARK_STATE: '/run/state' },
    });
    await this.#quiet();
  }

  /** Adds a route, as another program does. @returns after how many milliseconds the set has it */
  async follow(): Promise<number> {
    const module = new URL('../dist-src/system/rtnetlink/kernel-set.js', import.meta.url).pathname;
    const code = `import { KernelSet } from '${module}';
      const set = new KernelSet('WANMARK_4', 4);
      console.log('ready');
      while (!set.networks()?.has('203.0.0.0/24')) await new Promise((resolve) => setTimeout(resolve, 20));`;
    const watch = spawn('nsenter', this.#inside([process.execPath, '--input-type=module', '-e', code]), {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(watch.stdout, 'data');
    const ended = once(watch, 'exit');
    const before = performance.now();
    this.#sh(`ip route add ${CHURN(0)}`);
    await ended;
    const tookMs = performance.now() - before;
    // The daemon looks at everything later, and that is not what others' changes cost.
    await this.#quiet();
    return tookMs;
  }

  /** What the daemon and its programs take while routes come and go, in percent of a processor. */
  async routeChurn(seconds: number): Promise<number> {
    return this.#share(seconds, 150, (i) =>
      this.#sh(`ip route ${i % 2 === 0 ? 'add' : 'del'} ${CHURN(1 + ((i >> 1) % 200))}`),
    );
  }

  /** The same while another program writes its firewall anew once a second, of 3,000 rules. */
  async firewallChurn(seconds: number): Promise<number> {
    const rules = Array.from({ length: 1000 }, (_, i) => [
      `-A KUBE-A -d 10.96.${i >> 8}.${i & 255}/32 -p tcp --dport 80 -j KUBE-B`,
      `-A KUBE-B -s 10.97.${i >> 8}.${i & 255}/32 -j RETURN`,
      `-A OUTPUT -d 10.98.${i >> 8}.${i & 255}/32 -j KUBE-A`,
    ]).flat();
    this.#sh('iptables-restore -n', ['*nat', ':KUBE-A -', ':KUBE-B -', ...rules, 'COMMIT', ''].join('\n'));
    await pause(3000);
    return this.#share(seconds, 1000, (i) =>
      this.#sh('iptables-restore -n', `*nat\n:KUBE-B -\n-A KUBE-B -s 10.99.0.${i % 250} -j RETURN\nCOMMIT\n`),
    );
  }

  async stop(): Promise<void> {
    for (const child of [this.#daemon, this.#holder]) {
      if (child === undefined || child.exitCode !== null) continue;
      const ended = once(child, 'exit');
      child.stdin?.end();
      child.kill();
      await ended;
    }
  }

  /** Waits until the daemon has nothing to do any more. */
  async #quiet(): Promise<void> {
    let cpu = -1;
    do {
      cpu = this.#cpuMs();
      await pause(2000);
    } while (this.#cpuMs() - cpu > 100 || cpu < 100);
  }

  async #share(seconds: number, everyMs: number, act: (i: number) => void): Promise<number> {
    const [start, cpu] = [performance.now(), this.#cpuMs()];
    for (let i = 0; performance.now() - start < 1000 * seconds; i++) {
      act(i);
      await pause(everyMs);
    }
    return (100 * (this.#cpuMs() - cpu)) / (performance.now() - start);
  }

  /** CPU time of the daemon and of what it started and has ended (proc(5): utime, stime, cutime, cstime), in ms. */
  #cpuMs(): number {
    const stat = readFileSync(`/proc/${this.#daemon!.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return 10 * fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  }

  #sh(script: string, input = ''): string {
    return this.#run(['sh', '-c', script], input);
  }

  #run(argv: readonly string[], input = ''): string {
    const { status, stdout, stderr } = spawnSync('nsenter', this.#inside(argv), { input, encoding: 'utf8' });
    // wanmark shows the commands that it runs behind a #.
    const said = stderr.replaceAll(/^#.*\n/gm, '').slice(0, 500);
    if (status !== 0) throw new Error(`${argv.join(' ').slice(0, 80)}: ${said}`);
    return stdout;
  }

  #inside(argv: readonly string[]): string[] {
    const user = USER.length > 0 ? ['-U', '--preserve-credentials'] : [];
    return ['-t', String(this.#holder.pid), ...user, '-n', '-m', ...argv];
  }
}

function links({ wans, devices }: MachineSize): string[] {
  const pair = (name: string, address: string) => [
    `link add ${name} type veth peer name ${name}p`,
    `addr add ${address} dev ${name}`,
    `link set ${name} up`,
    `link set ${name}p up`,
  ];
  return [
    ...Array.from({ length: wans }, (_, i) => pair(`w${i + 1}`, `100.64.${i + 1}.2/24`)),
    ...Array.from({ length: devices / 2 }, (_, i) => pair(`c${i}`, `10.${i >> 8}.${i & 255}.1/24`)),
  ].flat();
}

function routes({ wans, routes: count }: MachineSize): string[] {
  return [
    ...Array.from(
      { length: wans },
      (_, i) => `route add default via 100.64.${i + 1}.1 dev w${i + 1} metric ${i + 100}`,
    ),
    ...Array.from(
      { length: count },
      (_, i) => `route add ${20 + (i >> 14)}.${(i >> 6) & 255}.${4 * (i & 63)}.0/24 via 100.64.1.1`,
    ),
  ];
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
