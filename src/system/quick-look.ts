import { readFileSync } from 'node:fs';
import type { Config } from '../config/config.js';
import { FAMILIES, type Family } from '../core/family.js';
import { isRefusal } from '../errors.js';
import { buildPlan } from '../plan/build.js';
import { type HeldSet, heldSetName, heldSets } from '../plan/held-sets.js';
import { fittingStates } from '../plan/kernel-choice.js';
import { PROTOCOL } from '../plan/render/ip.js';
import { type Lists, planLists, TABLE_LISTS } from '../plan/render/lists.js';
import type { PlanStates } from '../plan/states.js';
import { readFacts } from './facts.js';
import type { Variant } from './firewall.js';
import { type Installed, installedConfig, readInstalled } from './installed.js';
import { linkOf } from './link-changes.js';
import { underLock } from './lock.js';
import { addToNetworkSet, fillNetworkSets, readNetworkSets } from './network-sets.js';
import { MAIN_TABLE, type NewsItem } from './news.js';
import { MOST_REDIRECTIONS } from './redirections.js';
import { chainText, ipRulesText, redirectionsText } from './rtnetlink/own-rules.js';
import { dumpOfProtocol } from './rtnetlink/routes.js';
import { rulesetFingerprint } from './ruleset.js';

/** What is wanted and what is there at one moment, good for a comparison with another moment. */
export interface Sight {
  /** The whole plan, with what a person should know of it, except for the networks in sets. */
  readonly wanted: string;
  /** What the kernel has of ours, except for those networks. */
  readonly found: string;
  readonly held: readonly HeldSet[];
}

/**
 * Sees without starting a program that there is nothing to do: that the plan is still the one that is in force, and the
 * kernel's rules are still those that a whole pass found to be right. Takes milliseconds, however many rules others have.
 * Networks in sets follow at once, since they are no rules.
 */
export class QuickLook {
  #settled: Sight | undefined;
  /** What the sets hold, as far as it is known to be so. */
  #sets: Map<string, Set<string>> | undefined;

  /** Looks; undefined where that cannot tell. @param states as for a refresh */
  look(states: PlanStates | undefined): Sight | undefined {
    try {
      const installed = readInstalled();
      return installed === undefined ? undefined : sight(installed, states);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      // A whole pass says what is wrong.
      return undefined;
    }
  }

  /** Whether nothing is left to do; fills the sets where that is all that there was. */
  async suffices({ wanted, found, held }: Sight): Promise<boolean> {
    const settled = this.#settled;
    if (settled === undefined || settled.wanted !== wanted || settled.found !== found) return false;
    if (this.#sets !== undefined && held.every((set) => isSame(set, this.#sets!.get(set.name)))) return true;
    try {
      const done = await underLock(async () => {
        fillNetworkSets(held, this.#sets ?? readNetworkSets());
        return true;
      });
      if (done === undefined) return false;
    } catch (error) {
      if (!(error instanceof Error && 'errno' in error)) throw error;
      this.#sets = undefined;
      return false;
    }
    this.#sets = new Map(held.map(({ name, elements }) => [name, new Set(elements)]));
    return true;
  }

  /**
   * Puts the networks of new routes into the sets of what is left alone at once, since a look at 15,000 routes takes a while. A look later finds
   * what that leaves: a network that a wider one covers already, say.
   */
  async hear(news: readonly NewsItem[]): Promise<void> {
    for (const { name, family } of this.#settled?.held ?? []) {
      // A set of the user's has nothing to do with routes.
      if (name !== heldSetName(family)) continue;
      const known = this.#sets?.get(name);
      const networks = newNetworks(news, family).filter((network) => known?.has(network) !== true);
      if (networks.length === 0) continue;
      try {
        const done = await underLock(async () => {
          addToNetworkSet({ name, family }, networks);
          return true;
        });
        if (done) for (const network of networks) known?.add(network);
      } catch (error) {
        if (!(error instanceof Error && 'errno' in error)) throw error;
        this.#sets = undefined;
      }
    }
  }

  /**
   * Remembers what was seen before a whole pass that found nothing to do: that is what the kernel has when all is right.
   */
  settle(sight: Sight | undefined): void {
    this.#settled = sight;
  }

  /** To be called before a whole pass, which may change everything. */
  forget(): void {
    this.#settled = undefined;
    this.#sets = undefined;
  }
}

function sight(installed: Installed, wished: PlanStates | undefined): Sight {
  const config = installedConfig(installed);
  const states = fittingStates(config, wished ?? installed.states);
  const read = readFacts(config);
  const macs = new Map([...installed.macs, ...read.macs]);
  const { endpoints, firewall } = installed;
  const facts = { ...read, macs, endpoints, ipsec: firewall.ipsec };
  const plan = buildPlan(config, facts, states);
  const lists = planLists(plan);
  const links = config.wans.map(({ dev }) => linkOf(dev, facts));
  return {
    wanted: JSON.stringify([[...lists], plan.unusable, plan.notes, links]),
    found: JSON.stringify([
      tables(installed.firewall.variant, lists, config),
      installed.firewall.variant === 'nft' &&
        FAMILIES.map((family) => redirectionsText(family, MOST_REDIRECTIONS)),
      FAMILIES.map((family) => ipRulesText(family, PROTOCOL)),
      FAMILIES.map((family) =>
        dumpOfProtocol(family, PROTOCOL).map(({ hops, ...route }) => ({
          ...route,
          // A way that is dead for the moment is not gone.
          hops: hops.map(({ index, gateway }) => [index, gateway]),
        })),
      ),
      plan.settings.map(({ device, key }) => setting(device, key)),
    ]),
    held: heldSets(plan),
  };
}

/** Our rules in iptables' tables; in the legacy variant what tells that anybody changed a table. */
function tables(variant: Variant, lists: Lists, { rules }: Pick<Config, 'rules'>): string[] {
  if (variant === 'legacy') return [rulesetFingerprint(variant, rules.forwardAccept)];
  return TABLE_LISTS.flatMap(({ family, stage, list }) => {
    const lines = lists.get(list) ?? [];
    const own = lines.filter((line) => line.startsWith(':')).map((line) => line.slice(1).split(' ', 1)[0]!);
    const bases = lines
      .filter((line) => line.startsWith('-A ') && !line.startsWith('-A WANMARK'))
      .map((line) => line.split(' ', 2)[1]!);
    return [
      ...own.map((chain) => chainText(family, stage, chain)),
      ...[...new Set(bases)].map((chain) => chainText(family, stage, chain, 'WANMARK')),
    ];
  });
}

/** The networks that routes of the main table lead to since the news. */
function newNetworks(news: readonly NewsItem[], family: Family): string[] {
  return news
    .flatMap((item) =>
      item.kind === 'route' && item.family === family && item.table === MAIN_TABLE && item.leads
        ? [item.dst]
        : [],
    )
    .filter((dst) => dst !== 'default' && !dst.endsWith('/0'));
}

function setting(device: string, key: string): string {
  try {
    return readFileSync(`/proc/sys/net/ipv4/conf/${device}/${key}`, 'utf8').trim();
  } catch {
    return '-'; // the device is gone
  }
}

function isSame({ elements }: HeldSet, had: ReadonlySet<string> | undefined): boolean {
  return had !== undefined && had.size === elements.length && elements.every((one) => had.has(one));
}
