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
  /** Its addresses without prefix length, those of each family in the order of the plan. */
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

  /** Runs a program to its end. @throws {SystemError} when it fails */
  exec(argv: readonly string[], options: Omit<ExecOptions, 'netns'> = {}): Promise<Output> {
    return this.#sandbox.exec(argv, { ...options, netns: this.name });
  }

  /** Runs lines of shell, stopping at the first that fails. */
  sh(script: string, options: Omit<ExecOptions, 'netns' | 'input'> = {}): Promise<Output> {
    return this.exec(['sh', '-e'], { ...options, input: script });
  }

  spawn(argv: readonly string[]): Program {
    return this.#sandbox.spawn(argv, { netns: this.name });
  }

  /** The argv that runs `argv` here, from any terminal of the same user. */
  command(argv: readonly string[]): string[] {
    return this.#sandbox.command(argv, { netns: this.name });
  }

  /** Its traffic program, started at the first call. */
  get agent(): Agent {
    this.#agent ??= new Agent((argv) => this.spawn(argv));
    return this.#agent;
  }

  /** Answers TCP and UDP on that port of every address it has; resolves when it listens. */
  serve(port: number): Promise<void> {
    const addresses = [...this.addresses[4], ...this.addresses[6]];
    return this.agent.request({ op: 'serve', port, addresses });
  }

  /** The rules of an iptables table with their counters, all chains or one. */
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
