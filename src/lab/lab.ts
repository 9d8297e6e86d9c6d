import type { Family } from '../core/family.js';
import type { ConnectRequest, Flow, Proto } from './agent/protocol.js';
import { buildScript } from './build.js';
import { Host } from './host.js';
import { type LabWan, type Network, type NetworkOptions, SERVER, wanOfSource } from './network.js';
import { planNetwork } from './plan.js';
import { Sandbox } from './sandbox.js';

/** The port that the lab's servers answer on, TCP and UDP. */
export const SERVER_PORT = 7;

/** Which connections a client of the lab makes. */
export interface ConnectOptions {
  readonly proto?: Proto;
  readonly family?: Family;
  readonly count?: number;
  /** The host that connects; default the first client, whose connections the router forwards. */
  readonly from?: Host;
  /** The addresses to connect from, in turn; default as {@link Lab.sourcesOf} says. */
  readonly sources?: readonly string[];
  /** The address to connect to; default the internet server's. */
  readonly to?: string;
  /** The port to connect to; default {@link SERVER_PORT}. */
  readonly port?: number;
  readonly concurrency?: number;
  readonly hold?: boolean;
  readonly tag?: string;
  readonly timeoutMs?: number;
  readonly progress?: (done: number) => void;
}

/** A connection with the WAN that its last message came by; undefined when it failed or came by none. */
export interface LabFlow extends Flow {
  readonly wan: string | undefined;
}

/** A running network of hosts. It ends with `stop` or with this process. */
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

  /** Opens connections, verifies each with data end to end, and finds the WAN by which the server saw it. */
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
      from: options.sources ?? this.sourcesOf(from, family),
      hold: options.hold ?? false,
      tag: options.tag ?? 'connect',
      timeoutMs: options.timeoutMs ?? 10_000,
    };
    const flows = await from.agent.request<Flow[]>(request, options.progress);
    return flows.map((flow) => this.#withWan(flow));
  }

  /** Asks once more on held connections; `wan` is the WAN of the latest message. */
  async exchange(from: Host, flows: readonly Flow[], timeoutMs = 10_000): Promise<LabFlow[]> {
    const ids = flows.map(({ id }) => id);
    const again = await from.agent.request<Flow[]>({ op: 'exchange', ids, tag: 'exchange', timeoutMs });
    return again.map((flow) => this.#withWan(flow));
  }

  /**
   * The addresses that a host's connections start from: all addresses of a LAN host; none for the router and the server,
   * where the kernel chooses as for any program.
   */
  sourcesOf(host: Host, family: Family): readonly string[] {
    return host.name.startsWith('client') ? host.addresses[family] : [];
  }

  /** The name of the WAN by which the server got a packet with this source address; undefined if by none. */
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
