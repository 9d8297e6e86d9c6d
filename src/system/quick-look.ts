import { readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../config/config.js';
import { FAMILIES, type Family } from '../core/family.js';
import { isRefusal } from '../errors.js';
import { buildPlan } from '../plan/build.js';
import type { Facts } from '../plan/facts.js';
import { type HeldSet, heldSetName } from '../plan/held-sets.js';
import { fittingStates } from '../plan/kernel-choice.js';
import type { Plan } from '../plan/plan.js';
import { PROTOCOL } from '../plan/render/ip.js';
import { type Lists, planLists, TABLE_LISTS } from '../plan/render/lists.js';
import type { PlanStates } from '../plan/states.js';
import { factsFor, ipsetsOf } from './backend.js';
import { machineMemory, readFactsLater } from './facts.js';
import type { Firewall } from './firewall.js';
import { type Installed, installedConfig, readInstalled, rulesAreUp } from './installed.js';
import { linkOf } from './link-changes.js';
import { underLock } from './lock.js';
import { addToNetworkSet, fillNetworkSetsLater, readNetworkSets } from './network-sets.js';
import { MAIN_TABLE, type NewsItem } from './news.js';
import { MOST_REDIRECTIONS } from './redirections.js';
import {
  chainNumbers,
  chainText,
  ipRulesText,
  redirectionsText,
  tableNumbers,
} from './rtnetlink/own-rules.js';
import { dumpOfProtocolLater } from './rtnetlink/routes.js';
import { rulesetFingerprint } from './ruleset.js';

/** What is wanted and what is there at one moment, good for a comparison with another moment. */
export interface Sight {
  /** The whole plan, with what a person should know of it, except for the networks in sets. */
  readonly wanted: string;
  /** What the kernel has of ours, except for those networks. */
  readonly found: string;
  readonly held: readonly HeldSet[];
}

/** A plan and what was made of it, with what it was made of. */
interface Made {
  readonly config: Config;
  readonly backend: Firewall['backend'];
  readonly facts: Facts;
  readonly states: PlanStates;
  readonly lists: Lists;
  readonly held: readonly HeldSet[];
  /** All of the plan, except for the networks in sets. */
  readonly text: string;
  /** The devices' settings that it wants. */
  readonly settings: Plan['settings'];
}

/** What iptables' tables hold of ours and of what leads connections elsewhere, and of when. */
interface Tables {
  /** What tells that anybody changed any rule. */
  readonly fingerprint: string;
  readonly lists: Lists;
  readonly texts: readonly string[];
}

/**
 * Sees without starting a program that there is nothing to do: that the plan is still the one that is in force, and the
 * kernel's rules are still those that a whole pass found to be right. Networks in sets follow at once, since they are no
 * rules.
 *
 * Costs by what has changed: what has not is neither read nor computed again. Packets wait for JavaScript meanwhile, so
 * other threads wait for the kernel, and what is long is done in parts.
 */
export class QuickLook {
  readonly #memory = machineMemory();
  #made: Made | undefined;
  #tables: Tables | undefined;
  #settled: Sight | undefined;
  /** What the sets hold, as far as it is known to be so. */
  #sets: Map<string, Set<string>> | undefined;
  /** The elements of the plan that the sets hold, by the sets' names. */
  #filled = new Map<string, readonly string[]>();

  /**
   * Looks; undefined where that cannot tell.
   * @param states as for a refresh
   * @param hears whether {@link hear} is told everything that happens, so that what was read before still holds
   */
  async look(states: PlanStates | undefined, hears = false): Promise<Sight | undefined> {
    if (!hears) this.#memory.forget();
    try {
      const installed = readInstalled();
      return installed === undefined ? undefined : await this.#sight(installed, states);
    } catch (error) {
      if (!isRefusal(error) && !(error instanceof Error && 'errno' in error)) throw error;
      // A whole pass says what is wrong.
      return undefined;
    }
  }

  async #sight(installed: Installed, wished: PlanStates | undefined): Promise<Sight> {
    const config = installedConfig(installed);
    const states = fittingStates(config, wished ?? installed.states);
    const read = await readFactsLater(config, this.#memory);
    const { endpoints, firewall } = installed;
    const macs = new Map([...installed.macs, ...read.macs]);
    const facts = { ...factsFor(read, firewall), macs, endpoints, ipsec: firewall.ipsec };
    const made = await this.#plan(config, facts, states, firewall);
    const links = config.wans.map(({ dev }) => linkOf(dev, read));
    const tables = await this.#read(firewall, made.lists, config);
    await setImmediate();
    const rules = [await ipRulesText(4, PROTOCOL), await ipRulesText(6, PROTOCOL)];
    const routes = [await ownRoutes(4), await ownRoutes(6)];
    const settings = made.settings.map(({ device, key }) => setting(device, key));
    return {
      wanted: JSON.stringify([made.text, links]),
      found: JSON.stringify([tables, rules, routes, settings]),
      held: made.held,
    };
  }

  /** The plan, which is the same for the same inputs. */
  async #plan(config: Config, facts: Facts, states: PlanStates, firewall: Firewall): Promise<Made> {
    const before = this.#made;
    if (
      before?.config === config &&
      before.backend === firewall.backend &&
      isSameFacts(before.facts, facts)
    ) {
      if (isDeepStrictEqual(before.states, states)) return before;
    }
    await setImmediate();
    const plan = buildPlan(config, facts, states);
    await setImmediate();
    const lists = planLists(plan, firewall.backend);
    await setImmediate();
    const text = JSON.stringify([[...lists], plan.unusable, plan.notes]);
    const { settings } = plan;
    const held = ipsetsOf(plan, firewall);
    // Where only a set has changed, the lists are those of before, for which the rules have been read already.
    const same = before?.text === text ? before.lists : lists;
    this.#made = { config, backend: firewall.backend, facts, states, lists: same, held, text, settings };
    return this.#made;
  }

  /** Our rules, and what leads connections elsewhere; read again only where somebody has changed any rule. */
  async #read(
    { variant, backend }: Firewall,
    lists: Lists,
    { rules }: Pick<Config, 'rules'>,
  ): Promise<readonly string[]> {
    // Taken before they are read, so that a change meanwhile has them read again.
    const fingerprint = rulesetFingerprint(variant, rules.forwardAccept);
    if (variant === 'legacy' || backend === 'nft') return [fingerprint];
    const before = this.#tables;
    if (before?.fingerprint === fingerprint && before.lists === lists) return before.texts;
    const texts = await ownTables(lists);
    for (const family of FAMILIES) texts.push(await redirectionsText(family, MOST_REDIRECTIONS));
    this.#tables = { fingerprint, lists, texts };
    return texts;
  }

  /** Whether nothing is left to do; fills the sets where that is all that there was. */
  async suffices({ wanted, found, held }: Sight): Promise<boolean> {
    const settled = this.#settled;
    if (settled === undefined || settled.wanted !== wanted || settled.found !== found) return false;
    if (this.#sets !== undefined && held.every((set) => this.#holds(set))) return true;
    try {
      const done = await underLock(async () => {
        await fillNetworkSetsLater(held, this.#sets ?? readNetworkSets());
        return true;
      });
      if (done === undefined) return false;
    } catch (error) {
      if (!(error instanceof Error && 'errno' in error)) throw error;
      this.#sets = undefined;
      return false;
    }
    this.#sets = new Map(held.map(({ name, elements }) => [name, new Set(elements)]));
    this.#filled = new Map(held.map(({ name, elements }) => [name, elements]));
    return true;
  }

  /** Whether a set is known to hold what it is to hold: by the list itself, or by comparing its elements. */
  #holds({ name, elements }: HeldSet): boolean {
    const had = this.#sets?.get(name);
    if (had === undefined) return false;
    if (this.#filled.get(name) === elements) return true;
    const isSame = had.size === elements.length && elements.every((one) => had.has(one));
    if (isSame) this.#filled.set(name, elements);
    return isSame;
  }

  /**
   * Puts the networks of new routes into the sets of what is left alone at once, since a look at 15,000 routes takes a while. A look later finds
   * what that leaves: a network that a wider one covers already, say.
   */
  async hear(news: readonly NewsItem[]): Promise<void> {
    this.#memory.hear(news);
    if (!rulesAreUp()) return;
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
        this.#filled.delete(name);
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
    this.#memory.forget();
    this.#tables = undefined;
    this.#settled = undefined;
    this.#sets = undefined;
  }
}

/**
 * Whether facts are the same. The routes of the main table, which may be many, are so only where they are the same list:
 * comparing them takes as long as a plan.
 */
function isSameFacts(a: Facts, b: Facts): boolean {
  return FAMILIES.every((family) => a.main[family] === b.main[family]) && isDeepStrictEqual(a, b);
}

/** Our rules in iptables' tables. */
async function ownTables(lists: Lists): Promise<string[]> {
  const texts: string[] = [];
  for (const family of FAMILIES) {
    const own = TABLE_LISTS.filter((one) => one.family === family && (lists.get(one.list)?.length ?? 0) > 0);
    texts.push(
      await tableNumbers(
        family,
        own.map(({ stage }) => stage),
      ),
    );
    for (const { stage, list } of own) {
      const lines = lists.get(list) ?? [];
      for (const chain of named(lines)) texts.push(await chainNumbers(family, stage, chain));
      for (const chain of leading(lines)) texts.push(await chainText(family, stage, chain, 'WANMARK'));
    }
  }
  return texts;
}

/** The chains that lines make. */
function named(lines: readonly string[]): string[] {
  return lines.filter((line) => line.startsWith(':')).map((line) => line.slice(1).split(' ', 1)[0]!);
}

/** The chains of others that lines lead to ours from. */
function leading(lines: readonly string[]): Set<string> {
  const others = lines.filter((line) => line.startsWith('-A ') && !line.startsWith('-A WANMARK'));
  return new Set(others.map((line) => line.split(' ', 2)[1]!));
}

/** The routes of ours. A way that is dead for the moment is not gone. */
async function ownRoutes(family: Family): Promise<object[]> {
  return (await dumpOfProtocolLater(family, PROTOCOL)).map(({ hops, ...route }) => ({
    ...route,
    hops: hops.map(({ index, gateway }) => [index, gateway]),
  }));
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
