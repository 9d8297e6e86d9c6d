import type { Keys, Value } from '../draft.js';
import { CannotSay, type Findings } from '../findings.js';
import { commaParts, oneOrMore, portValues, protocolValue } from '../values.js';
import { addressesOf, portsOf } from './groups.js';
import type { ConfigNode } from './node.js';

/** Protocols that both systems allow with ports. */
const WITH_PORTS = ['tcp', 'udp', 'tcp_udp'];
const EVERYTHING = '0.0.0.0/0';

/**
 * What a rule is for, apart from the device.
 * @param root the whole configuration, for its groups
 * @param title what the rule is called in messages
 * @throws CannotSay
 */
export function readMatch(root: ConfigNode, rule: ConfigNode, title: string, findings: Findings): Keys {
  const source = readSide(root, rule.at('source'), title);
  const destination = readSide(root, rule.at('destination'), title);
  if (destination?.mac !== undefined)
    throw new CannotSay(
      rule.lineOf('destination'),
      `destination mac-address cannot be said; ${title} is left out`,
    );
  return {
    ...(source?.address && { from: source.address }),
    ...(destination?.address && { to: destination.address }),
    ...(source?.port && { sport: source.port }),
    ...(destination?.port && { dport: destination.port }),
    ...(source?.mac && { mac: source.mac }),
    ...readProtocol(rule, source?.port !== undefined || destination?.port !== undefined, title, findings),
  };
}

/** One end of the connections. */
interface Side {
  readonly address?: Value;
  readonly port?: Value;
  readonly mac?: string;
}

function readSide(root: ConfigNode, side: ConfigNode | undefined, title: string): Side | undefined {
  if (side === undefined) return undefined;
  const cannot = (key: string, what: string) =>
    new CannotSay(side.lineOf(key), `${what}; ${title} is left out`);
  const stray = side.keys.find((key) => !['address', 'port', 'group', 'mac-address'].includes(key));
  if (stray !== undefined) throw cannot(stray, `"${stray}" cannot be said`);
  const grouped = addressesOf(root, side);
  const groupedPorts = portsOf(root, side);
  if (grouped === undefined || groupedPorts === undefined)
    throw cannot('group', 'a group of it has no addresses and no ports in this file');
  const addresses = [...side.values('address').slice(-1), ...grouped].filter((one) => one !== EVERYTHING);
  const ports = commaParts([side.value('port') ?? '', ...groupedPorts]);
  const mac = side.value('mac-address');
  return {
    ...(addresses.length === 0 ? {} : { address: oneOrMore(negated(addresses)) }),
    ...(ports.length === 0 ? {} : { port: portValues(negated(ports), side.lineOf('port'), title) }),
    ...(mac === undefined ? {} : { mac }),
  };
}

function readProtocol(rule: ConfigNode, hasPorts: boolean, title: string, findings: Findings): Keys {
  const given = rule.value('protocol') ?? 'all';
  const at = rule.lineOf('protocol');
  if (hasPorts && !WITH_PORTS.includes(given))
    findings.note(at, `${title} has ports, so protocol ${given} is taken for tcp and udp`);
  if (given === 'tcp_udp' || (hasPorts && !WITH_PORTS.includes(given))) return { proto: ['tcp', 'udp'] };
  return given === 'all' ? {} : { proto: protocolValue(given, at, title) };
}

/** In a list of ours, each value has the mark of the whole. */
function negated(list: readonly string[]): string[] {
  return list[0]?.startsWith('!') ? list.map((one) => (one.startsWith('!') ? one : `!${one}`)) : [...list];
}
