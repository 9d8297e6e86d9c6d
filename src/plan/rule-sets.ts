import type { Values } from '../config/match/values.js';
import type { NamedSet } from '../config/set.js';
import type { Family } from '../core/family.js';
import type { Clause } from './clause.js';
import { MOST_LISTED } from './held-sets.js';
import { widestNetworks } from './network.js';
import type { Match, SetPlan } from './plan.js';
import type { Scene } from './scene.js';

/** The sets of the user's that the kernel is to keep for a family, by their names in the plan. */
export function namedSets(scene: Scene): [string, SetPlan][] {
  const asked = new Set(scene.config.policies.rules.flatMap(({ match }) => match.set?.any ?? []));
  return scene.config.policies.sets
    .filter(({ name }) => asked.has(name))
    .flatMap((set): [string, SetPlan][] => {
      const elements = networksOf(set, scene);
      if (!isHeld(set, elements, scene)) return [];
      if (set.source.kind === 'external')
        return [[planName(set), { source: { from: 'others' }, elements: [], held: planName(set) }]];
      const held = `WANMARK_${scene.family}_${set.name}`;
      return [[planName(set), { source: { from: 'named', set: set.name }, elements, held }]];
    });
}

/**
 * The conditions that a rule's sets make; undefined where one of them is not there, so that the rule matches nothing.
 */
export function setAlternatives({ any, not }: Values<string>, scene: Scene): Clause | undefined {
  const sets = any.map((name) => scene.config.policies.sets.find((set) => set.name === name)!);
  const alternatives = sets.map((set) => alternativesOf(set, scene));
  if (alternatives.some((one) => one === undefined)) return undefined;
  const all = alternatives.flatMap((one) => one ?? []);
  // What is in no network at all is in none of these.
  if (all.length === 0) return not ? { any: [[]] } : undefined;
  return { any: all, ...(not && { not: true }) };
}

function alternativesOf(set: NamedSet, scene: Scene): Match[][] | undefined {
  const { source } = set;
  if (source.kind === 'external' && scene.facts.hostsSets !== true) {
    const { ipset } = source;
    return scene.facts.ipsets?.has(`${ipset}/${scene.family}`) ? [[{ kind: 'in-ipset', ipset }]] : undefined;
  }
  const elements = networksOf(set, scene);
  if (isHeld(set, elements, scene)) return [[{ kind: 'destination-in', set: planName(set) }]];
  return elements.map((network) => [{ kind: 'destination', network }]);
}

function networksOf({ name, source }: NamedSet, { family, facts }: Scene): string[] {
  if (source.kind === 'external') return [];
  const texts = source.kind === 'net' ? source.networks : (facts.files?.networks.get(name) ?? []);
  const known = widestOf.get(texts)?.[family];
  if (known !== undefined) return known;
  const networks = widestNetworks(texts, family);
  widestOf.set(texts, { ...widestOf.get(texts), [family]: networks });
  return networks;
}

/** The widest networks of lists, by family. A plan asks for each several times, and looks at the same lists again and again. */
const widestOf = new WeakMap<readonly string[], Partial<Readonly<Record<Family, string[]>>>>();

/** A file's networks may change at any moment, which costs nothing where the kernel keeps them. */
function isHeld({ source }: NamedSet, elements: readonly string[], { facts }: Scene): boolean {
  if (source.kind === 'external') return facts.hostsSets === true;
  if (facts.keepsSets !== true) return false;
  return source.kind === 'file' || elements.length > MOST_LISTED;
}

function planName({ name }: NamedSet): string {
  return `set ${name}`;
}

/** Says which sets are not there, or too large for a kernel that keeps none. */
export function tellSets(scene: Scene): void {
  const { config, facts, family, isOurs, note } = scene;
  if (!isOurs) return;
  for (const fault of facts.files?.faults ?? []) note(`warning: ${fault}; its networks stay as they were`);
  const asked = new Set(
    config.policies.rules
      .filter(({ match }) => match.family === undefined || match.family === family)
      .flatMap(({ match }) => match.set?.any ?? []),
  );
  for (const set of config.policies.sets.filter(({ name }) => asked.has(name))) {
    const { name, source } = set;
    if (source.kind !== 'external') {
      const { length } = networksOf(set, scene);
      if (length > MOST_LISTED && facts.keepsSets === false) {
        note(
          `warning: set ${name} has ${length} IPv${family} networks, a rule for each, since the kernel keeps no sets; ` +
            "'modprobe ip_set_hash_net xt_set' (OpenWrt: install kmod-ipt-ipset), then 'wanmark up' again",
        );
      }
      continue;
    }
    // Most sets are of one family; one that is there in the other is no mistake.
    const other = family === 4 ? 6 : 4;
    const { ipset } = source;
    if (facts.hostsSets === true) {
      if (facts.ipsets?.has(`${ipset}/${family}`))
        note(
          `warning: with nft, set ${name} is not the ipset ${ipset} but a set of the table inet wanmark; whoever fills it has ` +
            'to fill that one (docs/nftables.md)',
        );
      continue;
    }
    if (facts.ipsets?.has(`${ipset}/${family}`) || facts.ipsets?.has(`${ipset}/${other}`)) continue;
    note(`warning: there is no ipset ${ipset}, so rules with set ${name} match nothing until it is there`);
  }
}
