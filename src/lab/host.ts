import type { Family } from '../core/family.js';
import { Agent } from './agent.js';
import type { HostPlan } from './network.js';
import type { Program } from './program.js';
import type { ExecOptions, Output, Sandbox } from './sandbox.js';

/** One rule of an iptables chain with its counters. */
export interface RuleCounter {
  readonly packets: number;
  readonly bytes: number;
  /** The rule as `iptables-save` writes it, `-A CHAIN ...`. */
  readonly rule: string;
}

/** A host of the lab: a network namespace. */
export class Host {
  readonly name: string;
  /** The host's addresses without prefix length, by family, in the order of the plan. */
  readonly addresses: { readonly 4: readonly string[]; readonly 6: readonly string[] };
  readonly #sandbox: Sandbox;
  #agent: Agent | undefined;

  constructor(sandbox: Sandbox, plan: HostPlan) {
    this.name = plan.name;
    this.#sandbox = sandbox;
    const all = plan.addresses.map(({ address }) => address.replace(/\/.*/, ''));
    this.addresses = {
      4: all.filter((address) => !address.includes(':')),
      6: all.filter((address) => address.includes(':')),
    };
  }

  /** Runs a program on the host until it ends. @throws {SystemError} when the program fails */
  exec(argv: readonly string[], options: Omit<ExecOptions, 'netns'> = {}): Promise<Output> {
    return this.#sandbox.exec(argv, { ...options, netns: this.name });
  }

  /** Runs a shell script on the host; it stops at the first command that fails. */
  sh(script: string, options: Omit<ExecOptions, 'netns' | 'input'> = {}): Promise<Output> {
    return this.exec(['sh', '-e'], { ...options, input: script });
  }

  spawn(argv: readonly string[]): Program {
    return this.#sandbox.spawn(argv, { netns: this.name });
  }

  /** The argv that runs `argv` on this host, from any terminal of the same user. */
  command(argv: readonly string[]): string[] {
    return this.#sandbox.command(argv, { netns: this.name });
  }

  /** The host's traffic program, started at the first use. */
  get agent(): Agent {
    this.#agent ??= new Agent((argv) => this.spawn(argv));
    return this.#agent;
  }

  /** Answers TCP and UDP on a port of all the host's addresses; resolves when the server listens. */
  serve(port: number): Promise<void> {
    const addresses = [...this.addresses[4], ...this.addresses[6]];
    return this.agent.request({ op: 'serve', port, addresses });
  }

  /** The rules of an iptables table with their counters, of all chains or of one. */
  async counters(table: string, chain?: string, family: Family = 4): Promise<RuleCounter[]> {
    const tool = (process.env.IPTABLES ?? 'iptables').replace(
      'iptables',
      family === 6 ? 'ip6tables' : 'iptables',
    );
    const { stdout } = await this.exec([`${tool}-save`, '-c', '-t', table]);
    return stdout
      .split('\n')
      .map((line) => /^\[(\d+):(\d+)\] (-A (\S+) .*)$/.exec(line))
      .filter((match) => match !== null && (chain === undefined || match[4] === chain))
      .map((match) => ({ packets: Number(match![1]), bytes: Number(match![2]), rule: match![3]! }));
  }
}
