import { isIP, isIPv6 } from 'node:net';
import type { Family } from '../../core/family.js';
import type { Item, Keys } from '../draft.js';
import type { Findings } from '../findings.js';
import type { Section } from '../uci/section.js';
import { readLimited, readNumber } from './numbers.js';
import type { Uplink } from './uplinks.js';

/** The options of an interface that become a check; `size` and `max_ttl` change nothing of who answers. */
export const CHECK_OPTIONS = [
  'track_ip',
  'track_method',
  'httping_ssl',
  'reliability',
  'count',
  'timeout',
  'interval',
  'failure_interval',
  'recovery_interval',
  'keep_failure_interval',
  'down',
  'up',
  'check_quality',
  'failure_loss',
  'recovery_loss',
  'failure_latency',
  'recovery_latency',
  'size',
  'max_ttl',
];
const ROUNDS = { least: 1, most: 1000 };
const PROBES = { least: 1, most: 20 };
const SECONDS = { least: 1, most: 3600 };
const TIMEOUT = { least: 1, most: 60 };
/** The router itself, which always answers. */
const SELF = /^(0\.0\.0\.0|127\..*|::1?)$/;
/** Where nping's TCP mode connects to unless told otherwise. */
const NPING_PORT = 80;
/** mwan3track looks this name up. */
const LOOKED_UP = 'www.google.com';

/** How a method of mwan3 is said. */
interface Method {
  readonly check: string;
  readonly to: (target: string) => string;
  readonly keys?: Keys;
}

const bracketed = (target: string) => (isIPv6(target) ? `[${target}]` : target);
const PING: Method = { check: 'ping', to: (target) => target };

/**
 * The checks of an uplink.
 * @param conditions sections of RutOS, each of which has what mwan3 has in the interface's section
 */
export function checksOf(uplink: Uplink, conditions: readonly Section[], findings: Findings): Item[] {
  const { section } = uplink;
  const own = conditions.filter((one) => one.get('interface') === section.name);
  return [section, ...own].flatMap((one) => checkOf(uplink, one, findings) ?? []);
}

function checkOf({ name, family, section }: Uplink, from: Section, findings: Findings): Item | undefined {
  const targets = readTargets(from, family, findings);
  if (targets.length === 0) return undefined;
  const { check, to, keys = {} } = readMethod(from, findings);
  const number = (key: string, standard: number, limits: typeof ROUNDS) =>
    readLimited(from, key, standard, limits, findings);
  const interval = readLimited(section, 'interval', 10, SECONDS, findings);
  const intervals = { 'fail-interval': 'failure_interval', 'recover-interval': 'recovery_interval' };
  const others = Object.entries(intervals)
    .map(([ours, theirs]) => [ours, number(theirs, interval, SECONDS)] as const)
    .filter(([, seconds]) => seconds !== interval);
  const count = number('count', 1, PROBES);
  const isName = targets.some((target) => isIP(target) === 0);
  return {
    keys: {
      wan: name,
      check,
      to: targets.length === 1 ? to(targets[0]!) : targets.map(to),
      ...(isName ? { family } : {}),
      ...keys,
      ...readQuorum(from, targets.length, findings),
      interval,
      ...Object.fromEntries(others),
      timeout: number('timeout', 4, TIMEOUT),
      ...(count === 1 ? {} : { count }),
      fall: number('down', 5, ROUNDS),
      rise: number('up', 5, ROUNDS),
      ...readQuality(from, check, findings),
    },
    from: [
      ...from.lines(...CHECK_OPTIONS),
      ...(from === section || section.get('interval') === undefined ? [] : [section.lineOf('interval')]),
    ],
  };
}

function readTargets(section: Section, family: Family, findings: Findings): string[] {
  const good = section.all('track_ip').filter((target) => {
    const at = section.lineOfValue('track_ip', target);
    const is = isIP(target);
    if (SELF.test(target)) findings.note(at, `target ${target} is the router itself, so it is left out`);
    else if (is !== 0 && is !== family)
      findings.note(at, `target ${target} never answers in IPv${family}, so it is left out`);
    else if (is === 0 && !/^([A-Za-z0-9_-]{1,63}\.)+[A-Za-z][A-Za-z0-9-]{0,62}\.?$/.test(target))
      findings.lost(at, `target "${target}" is neither an address nor a name, so it is left out`);
    else return true;
    return false;
  });
  return [...new Set(good)];
}

function readMethod(section: Section, findings: Findings): Method {
  const method = section.get('track_method') ?? 'ping';
  const at = section.lineOf('track_method');
  switch (method) {
    case 'ping':
    case 'nping-icmp':
      return PING;
    case 'httping': {
      const scheme = section.isOn('httping_ssl', false) ? 'https' : 'http';
      return {
        check: 'http',
        to: (target) => `${scheme}://${bracketed(target)}/`,
        keys: { status: 'any' },
      };
    }
    case 'nping-tcp':
      return { check: 'tcp', to: (target) => `${bracketed(target)}:${NPING_PORT}` };
    case 'nslookup':
      return { ...PING, check: 'dns', keys: { name: LOOKED_UP } };
    case 'arping':
    case 'nping-arp':
    case 'nping-udp':
      findings.lost(at, `there is no check like ${method}; its targets are pinged`);
      return PING;
    default:
      findings.note(at, `mwan3 does not know the method ${method} and pings; so do we`);
      return PING;
  }
}

/** Their `reliability`, which mwan3 takes as it is: more than there are targets is never reached. */
function readQuorum(section: Section, targets: number, findings: Findings): Keys {
  const reliability = readNumber(section, 'reliability', 1, findings);
  if (reliability > targets) {
    findings.note(
      section.lineOf('reliability'),
      `reliability ${reliability} is more than there are targets, so mwan3 never has the interface up; here all must answer`,
    );
  }
  const quorum = Math.max(1, Math.min(reliability, targets));
  return quorum === 1 ? {} : { quorum };
}

function readQuality(section: Section, check: string, findings: Findings): Keys {
  if (!section.isOn('check_quality', false) || check !== 'ping') return {};
  const pair = (measure: string, down: number, up: number) => {
    const bad = readNumber(section, `failure_${measure}`, down, findings);
    const good = readNumber(section, `recovery_${measure}`, up, findings);
    if (good > bad) {
      findings.note(
        section.lineOf(`recovery_${measure}`),
        `recovery_${measure} is above failure_${measure}; the latter is taken for both`,
      );
    }
    return `${bad}:${Math.min(good, bad)}`;
  };
  return { loss: pair('loss', 40, 10), latency: pair('latency', 1000, 500) };
}
