import type { Family } from '../core/family.js';
import type { ConnectRequest, Flow, Proto } from './agent/protocol.js';
import { buildScript } from './build.js';
import { Host } from './host.js';
import { type LabWan, type Network, type NetworkOptions, SERVER, wanOfSource } from './network.js';
import { planNetwork } from './plan.js';
import { Sandbox } from './sandbox.js';

/** The port that the lab's servers answer on, TCP and UDP. */
export const SERVER_PORT = 7;

export interface ConnectOptions {
  readonly proto?: Proto;
  readonly family?: Family;
  readonly count?: number;
  /** Default the first client; its connections are forwarded, the router's are its own. */
  readonly from?: Host;
  /** Default the internet server. */
  readonly to?: string;
  /** Default {@link SERVER_PORT}. */
  readonly port?: number;
  readonly concurrency?: number;
  readonly hold?: boolean;
  readonly tag?: string;
  readonly timeoutMs?: number;
  readonly progress?: (done: number) => void;
}

/** A connection and the WAN that its first message came by, undefined when it failed or came by none. */
export interface LabFlow extends Flow {
  readonly wan: string | undefined;
}

/** A network of hosts, up and running. `stop` ends it; so does the end of this process. */
export class Lab {
  readonly network: Network;
  readonly sandbox: Sandbox;
  readonly hosts: ReadonlyMap<string, Host>;

  private constructor(network: Network, sandbox: Sandbox) {
    this.network = network;
    this.sandbox = sandbox;
    this.hosts = new Map(network.hosts.map((plan) => [plan.name, new Host(sandbox, plan)]));
  }

  /** Builds the network and starts the internet server. */
  static async start(options: NetworkOptions = {}): Promise<Lab> {
    const network = planNetwork(options);
    const sandbox = await Sandbox.start();
    try {
      await sandbox.exec(['sh'], { input: buildScript(network, process.env.IPTABLES) });
      const lab = new Lab(network, sandbox);
      await lab.server.serve(SERVER_PORT);
      return lab;
    } catch (error) {
      await sandbox.stop();
      throw error;
    }
  }

  get wans(): readonly LabWan[] {
    return this.network.wans;
  }

  get router(): Host {
    return this.host('router');
  }

  get server(): Host {
    return this.host('server');
  }

  get client(): Host {
    return this.host('client1');
  }

  get clients(): Host[] {
    return [...this.hosts.values()].filter(({ name }) => name.startsWith('client'));
  }

  host(name: string): Host {
    const host = this.hosts.get(name);
    if (!host) throw new Error(`this lab has no host ${name}`);
    return host;
  }

  gateway(wan: LabWan): Host {
    return this.host(wan.gateway);
  }

  /** Opens connections, each verified by data end to end, and says by which WAN the server saw each. */
  async connect(options: ConnectOptions = {}): Promise<LabFlow[]> {
    const from = options.from ?? this.client;
    const family = options.family ?? 4;
    const request: ConnectRequest = {
      op: 'connect',
      proto: options.proto ?? 'tcp',
      family,
      to: options.to ?? SERVER[family],
      port: options.port ?? SERVER_PORT,
      count: options.count ?? 1,
      concurrency: options.concurrency ?? 32,
      from: this.sourcesOf(from, family),
      hold: options.hold ?? false,
      tag: options.tag ?? 'connect',
      timeoutMs: options.timeoutMs ?? 10_000,
    };
    const flows = await from.agent.request<Flow[]>(request, options.progress);
    return flows.map((flow) => this.#withWan(flow));
  }

  /** Asks once more on connections that are held; `wan` is the one of the latest message. */
  async exchange(from: Host, flows: readonly Flow[], timeoutMs = 10_000): Promise<LabFlow[]> {
    const ids = flows.map(({ id }) => id);
    const again = await from.agent.request<Flow[]>({ op: 'exchange', ids, tag: 'exchange', timeoutMs });
    return again.map((flow) => this.#withWan(flow));
  }

  /**
   * The addresses a host's connections start from: all of a LAN host's; on the router and the server the kernel
   * chooses, as it does for a program there.
   */
  sourcesOf(host: Host, family: Family): readonly string[] {
    return host.name.startsWith('client') ? host.addresses[family] : [];
  }

  /** The name of the WAN by which the server got something from this source address. */
  wanOf(source: string): string | undefined {
    return wanOfSource(this.wans, source)?.name;
  }

  stop(): Promise<void> {
    return this.sandbox.stop();
  }

  #withWan(flow: Flow): LabFlow {
    const last = flow.seenAs.at(-1);
    return { ...flow, wan: last && flow.error === undefined ? this.wanOf(last.address) : undefined };
  }
}
