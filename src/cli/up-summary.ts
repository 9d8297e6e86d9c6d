import type { PlanConfig } from '../config/config.js';
import { FAMILIES, type Family } from '../core/family.js';
import { formatListen } from '../core/service.js';
import { type TargetId, targetId } from '../core/target.js';
import { carries, gatewayOf, natOf, type Wan } from '../core/wan.js';
import type { Links } from '../system/links.js';
import { counted } from './units.js';

/**
 * What a first `up` has set up, in a few lines: each WAN with its gateways and NAT, services, and what to do next.
 * @param unusable WANs that have no route at the moment
 */
export function upSummary(
  { wans, services, policies, rules }: PlanConfig,
  links: Pick<Links, 'gateway'>,
  unusable: ReadonlySet<TargetId>,
): string {
  const kernel = rules.engine === 'kernel';
  const counts = [count(wans, 'WAN'), count(services, 'service'), count(policies.rules, 'rule')].filter(
    (one) => one !== undefined,
  );
  const chooses = kernel ? 'the kernel chooses' : 'the kernel chooses until a daemon runs';
  const next = [
    ...(kernel ? [] : ["next: 'wanmark run' with the same options is the daemon"]),
    `${kernel ? 'next: ' : '      '}'wanmark doctor' looks for what is wrong`,
  ];
  const lines = [
    `up: ${counts.join(', ')}; ${chooses}`,
    ...wans.map((wan) => `  ${wanLine(wan, links, unusable)}`),
    ...services.map((one) => `  ${one.name}: ${formatListen(one)} to ${count(one.backends, 'server')}`),
    ...next,
  ];
  return lines.map((line) => `${line}\n`).join('');
}

/** A WAN in one line: `fibre: eth1 via 192.0.2.1 and fe80::1, weight 5, masquerade`. */
function wanLine(wan: Wan, links: Pick<Links, 'gateway'>, unusable: ReadonlySet<TargetId>): string {
  const families = FAMILIES.filter((family) => carries(wan, family));
  const ways = families.map((family) => wayText(wan, family, links)).filter((way) => way !== undefined);
  const tier = wan.tier === 1 ? [] : [`tier ${wan.tier}`];
  const left = families.filter((family) => unusable.has(targetId(wan.name, family)));
  const out = left.length === 0 ? [] : [`not usable now: ${left.map((family) => `IPv${family}`).join(', ')}`];
  const via = ways.length === 0 ? '' : ` via ${ways.join(' and ')}`;
  return `${wan.name}: ${[`${wan.dev}${via}`, `weight ${wan.weight}`, ...tier, ...natTexts(wan, families), ...out].join(', ')}`;
}

/** The gateway; undefined for a device that needs none. */
function wayText(wan: Wan, family: Family, links: Pick<Links, 'gateway'>): string | undefined {
  const given = gatewayOf(wan, family)!;
  if (given !== 'auto') return given === 'dev' ? undefined : given;
  const now = links.gateway(wan.dev, family);
  return now === undefined || now === 'auto'
    ? `auto (IPv${family}: none now)`
    : now === 'dev'
      ? undefined
      : now;
}

/** The translation of each family, or one word where it is the same. */
function natTexts(wan: Wan, families: readonly Family[]): string[] {
  const texts = families.map((family) => ({ family, text: natText(natOf(wan, family)) }));
  const [first] = texts;
  if (first === undefined) return [];
  if (texts.every(({ text }) => text === first.text)) return [first.text];
  return texts.map(({ family, text }) => `IPv${family} ${text}`);
}

function natText(nat: string): string {
  if (nat === 'masquerade') return 'masquerade';
  return nat === 'none' ? 'no NAT' : `NAT to ${nat}`;
}

/** `2 WANs`; undefined for none. */
function count(all: readonly unknown[], what: string): string | undefined {
  return all.length === 0 ? undefined : counted(all.length, what);
}
