import { fileURLToPath } from 'node:url';
import type { Status } from '#wanmark/control/status.js';
import type { Family } from '#wanmark/core/family.js';
import type { Flow, Proto, Seen } from '#wanmark/lab/agent/protocol.js';
import { buildScript } from '#wanmark/lab/build.js';
import { Host } from '#wanmark/lab/host.js';
import type { HostPlan, Network } from '#wanmark/lab/network.js';
import { Sandbox } from '#wanmark/lab/sandbox.js';
import { Daemon } from '#wanmark/lab/wanmark.js';
import { triedFlags } from './backend.js';
import { MAIN } from './main.js';
import { askStatus } from './status.js';

const EXAMPLES = fileURLToPath(new URL('../../examples/', import.meta.url));

/** The port that every server answers on, TCP and UDP. */
export const PORT = 7000;
/** The router's own address on the clients' side. */
export const ROUTER = { 4: '192.168.1.1', 6: '2001:db8:1::1' } as const;
/** An address that no host has; the clients' route to it goes through the router. */
export const PUBLIC = { 4: '192.0.2.100', 6: '2001:db8:100::1' } as const;
/** The router's address on the servers' side. */
export const INSIDE = { 4: '10.0.0.1', 6: '2001:db8:2::1' } as const;

/** The address of server number `k`, counted from 1. */
export const server = (k: number, family: Family = 4) =>
  family === 6 ? `2001:db8:2::1${k}` : `10.0.0.${1 + k}`;

export interface ServicesOptions {
  /** How many servers, 1 to 9; default 3. */
  readonly servers?: number;
  /** Whether the servers have no default route, so that they can answer their own network only. */
  readonly lonely?: boolean;
  /** Addresses of the client, 1 to 20; default 1. */
  readonly clientAddresses?: number;
}

export interface ConnectOptions {
  readonly from?: Host;
  readonly proto?: Proto;
  readonly family?: Family;
  readonly to?: string;
  readonly port?: number;
  readonly count?: number;
  readonly hold?: boolean;
  /** A word without blanks by which the servers' records are found. */
  readonly tag?: string;
  readonly concurrency?: number;
  readonly timeoutMs?: number;
}

/** The argv that runs a shell script in the examples' folder, with `wanmark` on the PATH. */
export function exampleCommand(script: string): string[] {
  const shim = `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`;
  // Replaced by a rename, since another host of the lab may be running the old one.
  const inside = `mkdir -p /run/bin; printf '%s' "$1" >/run/bin/new.$$; chmod +x /run/bin/new.$$
    mv /run/bin/new.$$ /run/bin/wanmark
    PATH=/run/bin:$PATH; cd '${EXAMPLES}'; exec ${script}`;
  return ['sh', '-ec', inside, 'sh', shim];
}

function both(dev: string, four: string, six: string) {
  return [
    { dev, address: `${four}/24` },
    { dev, address: `${six}/64` },
  ];
}

function host(name: string, dev: string, addresses: HostPlan['addresses'], routed = true): HostPlan {
  const [four, six] = dev === 'front0' ? [ROUTER[4], ROUTER[6]] : [INSIDE[4], INSIDE[6]];
  const routes = routed ? [`default via ${four}`, `default via ${six}`] : [];
  return { name, addresses, routes, forwards: false, rpFilter: 0 };
}

function plan({ servers = 3, lonely = false, clientAddresses = 1 }: ServicesOptions): Network {
  const client = Array.from({ length: clientAddresses }, (_, i) =>
    both('front0', `192.168.1.${11 + i}`, `2001:db8:1::${11 + i}`),
  ).flat();
  const hosts: HostPlan[] = [
    {
      name: 'router',
      addresses: [...both('front0', ROUTER[4], ROUTER[6]), ...both('back0', INSIDE[4], INSIDE[6])],
      routes: [],
      forwards: true,
      rpFilter: 1,
    },
    host('client', 'front0', client),
    // A client in the servers' network, which the servers answer directly.
    host('neighbour', 'back0', both('back0', '10.0.0.200', '2001:db8:2::200')),
    ...Array.from({ length: servers }, (_, i) =>
      host(`server${i + 1}`, 'back0', both('back0', server(i + 1), server(i + 1, 6)), !lonely),
    ),
  ];
  return {
    hosts,
    bridges: ['front', 'back'],
    cables: hosts.flatMap(({ name, addresses }) =>
      [...new Set(addresses.map(({ dev }) => dev))].map((dev) => ({
        host: name,
        dev,
        bridge: dev.slice(0, -1),
      })),
    ),
    wans: [],
    sharedPort: false,
    ipv6: true,
  };
}

/**
 * A router with clients on one side and servers on the other.
 * ```
 * client --[front]-- router --[back]-- server1..N
 *                                '---- neighbour, a client among the servers
 * ```
 */
export class ServicesLab {
  readonly sandbox: Sandbox;
  readonly router: Host;
  readonly client: Host;
  readonly neighbour: Host;
  readonly servers: readonly Host[];
  #daemon: Daemon | undefined;

  private constructor(sandbox: Sandbox, network: Network) {
    this.sandbox = sandbox;
    const hosts = new Map(network.hosts.map((one) => [one.name, new Host(sandbox, one)]));
    this.router = hosts.get('router')!;
    this.client = hosts.get('client')!;
    this.neighbour = hosts.get('neighbour')!;
    this.servers = [...hosts.values()].filter(({ name }) => name.startsWith('server'));
  }

  static async start(options: ServicesOptions): Promise<ServicesLab> {
    const network = plan(options);
    const sandbox = await Sandbox.start();
    try {
      await sandbox.exec(['sh'], { input: buildScript(network) });
      const lab = new ServicesLab(sandbox, network);
      await Promise.all(lab.servers.map((one) => one.serve(PORT)));
      return lab;
    } catch (error) {
      await sandbox.stop();
      throw error;
    }
  }

  /** Runs `wanmark` on the router until it ends. */
  wanmark(...args: string[]) {
    const words = args[0] === 'up' ? triedFlags(args) : args;
    return this.router.exec([process.execPath, MAIN, ...words], { okCodes: 'any' });
  }

  async up(...args: string[]): Promise<void> {
    await this.router.exec([process.execPath, MAIN, 'up', ...triedFlags(args)]);
  }

  /** Starts the daemon and waits until its queues are open. */
  async run(...args: string[]): Promise<Daemon> {
    // On a stalled machine answers may be late, and then the kernel chooses, by weight but not exactly.
    const patience = args.includes('--deadline') ? [] : ['--deadline', '10000'];
    const argv = [process.execPath, MAIN, 'run', '--log-mark', ...patience, ...args];
    const program = this.router.spawn(argv);
    await program.waitForLine((line) => line.includes('"msg":"started"'));
    this.#daemon = new Daemon(program);
    return this.#daemon;
  }

  /** Runs one command of an example on the router. */
  async example(script: string): Promise<void> {
    await this.router.exec(exampleCommand(script));
  }

  /** Runs an example's command that starts the daemon; otherwise like {@link run}. */
  async runExample(script: string): Promise<Daemon> {
    const program = this.router.spawn(exampleCommand(`${script} --log-mark --deadline 10000`));
    await program.waitForLine((line) => line.includes('"msg":"started"'));
    this.#daemon = new Daemon(program);
    return this.#daemon;
  }

  status(): Promise<Status> {
    return askStatus(this.sandbox);
  }

  /** Opens connections, by default from the client, and verifies each with data end to end. */
  connect(options: ConnectOptions = {}): Promise<Flow[]> {
    const { from = this.client, family = 4 } = options;
    return from.agent.request<Flow[]>({
      op: 'connect',
      proto: options.proto ?? 'tcp',
      family,
      to: options.to ?? ROUTER[family],
      port: options.port ?? 80,
      count: options.count ?? 1,
      concurrency: options.concurrency ?? 16,
      from: from === this.router ? [] : from.addresses[family],
      tag: options.tag ?? 'connect',
      hold: options.hold ?? false,
      timeoutMs: options.timeoutMs ?? 10_000,
    });
  }

  /** Asks once more on held connections. */
  exchange(flows: readonly Flow[], tag = 'exchange', from = this.client): Promise<Flow[]> {
    return from.agent.request({ op: 'exchange', ids: flows.map(({ id }) => id), tag, timeoutMs: 10_000 });
  }

  release(flows: readonly Flow[], from = this.client): Promise<void> {
    return from.agent.request({ op: 'release', ids: flows.map(({ id }) => id) });
  }

  /** The messages that each server saw: one entry for each source address and port. */
  seen(tag: string): Promise<Seen[][]> {
    return Promise.all(this.servers.map((one) => one.agent.request<Seen[]>({ op: 'seen', tag })));
  }

  /** How many connections of the tag each server had. */
  async counts(tag: string): Promise<number[]> {
    return (await this.seen(tag)).map((entries) => entries.length);
  }

  /** Connects and returns the servers' counts. @throws {Error} when a connection is not answered */
  async spread(options: ConnectOptions & { readonly tag: string }): Promise<number[]> {
    const errors = (await this.connect(options)).map(({ error }) => error).filter(Boolean);
    if (errors.length > 0) throw new Error(`${errors.length} failed: ${errors[0]}`);
    return this.counts(options.tag);
  }

  async stop(): Promise<void> {
    await this.sandbox.stop();
  }

  /** The daemon's messages on standard error, to print when a test fails. */
  get said(): string {
    return this.#daemon?.program.stderr ?? '';
  }
}

/** Runs a test in a lab of its own, which is removed at the end whatever happens. */
export async function withServices(
  options: ServicesOptions,
  use: (lab: ServicesLab) => Promise<void>,
): Promise<void> {
  const lab = await ServicesLab.start(options);
  try {
    await use(lab);
  } catch (error) {
    if (lab.said) process.stderr.write(`the daemon said:\n${lab.said}`);
    throw error;
  } finally {
    await lab.stop();
  }
}
