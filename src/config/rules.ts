import { isIP } from 'node:net';
import type { MarkField } from '../core/mark.js';
import type { Wan } from '../core/wan.js';
import { UsageError } from '../errors.js';
import { type EngineConfig, parseEngine } from './engine.js';
import { FIREWALLS, type FirewallChoice } from './firewall.js';
import { type LastResort, parseLastResort } from './last-resort.js';
import type { RawConfig } from './options.js';
import { readChoice, readInteger, readList, readSwitch } from './raw.js';
import type { TargetLists } from './targets.js';

/** The options of the kernel's rules and routes. */
export interface RulesConfig extends EngineConfig {
  readonly lastResort: LastResort;
  /** Devices whose connections are balanced; when empty, every device that is not a WAN. */
  readonly lan: readonly string[];
  /** Whether the router's own connections are balanced; otherwise the main table has them. */
  readonly own: boolean;
  /** Whether ip rules of others that ask for a mark hold before ours. */
  readonly respectMarks: boolean;
  /** Destination networks that are left alone besides those that the main table knows. */
  readonly exclude: readonly string[];
  /** The WAN with mark K has the routing table `table` + K, the router's own packets have `table`; 256..999999999, since 253 to 255 are the kernel's own. */
  readonly table: number;
  /** Priority of the first of five kinds of ip rules, 1..32761: a rule behind main's (32766) is never asked. */
  readonly priority: number;
  /** Whether the first packet of each connection is written to the kernel log. */
  readonly logKernel: boolean;
  /** Whether FORWARD accepts the services' connections. */
  readonly forwardAccept: boolean;
  /** Who is to carry out the rules. */
  readonly firewall: FirewallChoice;
}

/**
 * @param field the field of the WANs
 * @throws UsageError
 */
export function parseRules(raw: RawConfig, { wans, targets }: TargetLists, field: MarkField): RulesConfig {
  const engine = parseEngine(raw);
  const waiting = engine.engine === 'kernel' ? wans.find(({ startsDown }) => startsDown) : undefined;
  if (waiting !== undefined) {
    throw new UsageError(
      `WAN "${waiting.name}" has initial=down, but with engine kernel nobody checks it, so it would never be up; leave it out`,
    );
  }
  return Object.freeze({
    ...engine,
    lastResort: parseLastResort(raw, targets, field),
    lan: readList(raw, 'lan').map((dev) => lanDevice(String(dev), wans)),
    own: readChoice(raw, 'own', ['on', 'off']) === 'on',
    respectMarks: readChoice(raw, 'respect-marks', ['on', 'off']) === 'on',
    exclude: readList(raw, 'exclude').map((net) => network(String(net))),
    table: readInteger(raw, 'table'),
    priority: readInteger(raw, 'priority'),
    logKernel: readSwitch(raw, 'log-kernel'),
    forwardAccept: readSwitch(raw, 'forward-accept'),
    firewall: readChoice(raw, 'firewall', FIREWALLS),
  });
}

function lanDevice(dev: string, wans: readonly Wan[]): string {
  if (wans.some((wan) => wan.dev === dev))
    throw new UsageError(`device ${dev} cannot be both --lan and a WAN`);
  return dev;
}

function network(net: string): string {
  const [address = '', length, ...rest] = net.split('/');
  const bits = isIP(address) === 6 ? 128 : 32;
  const lengthFits = length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= bits);
  if (isIP(address) !== 0 && lengthFits && rest.length === 0) return net;
  throw new UsageError(`exclude "${net}" is not a network; use for example 10.0.0.0/8`);
}
