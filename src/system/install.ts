import { setImmediate } from 'node:timers/promises';
import type { Config, PlanConfig } from '../config/config.js';
import { lostNumbers, type Numbers, rememberNumbers } from '../config/numbers.js';
import type { RawConfig } from '../config/options.js';
import { numbersOf } from '../config/own-numbers.js';
import type { Family } from '../core/family.js';
import { targetId } from '../core/target.js';
import { SystemError, UsageError } from '../errors.js';
import { buildPlan } from '../plan/build.js';
import { settledParts } from '../plan/diff/nft.js';
import { planSteps } from '../plan/diff/steps.js';
import type { Facts } from '../plan/facts.js';
import type { HeldSet } from '../plan/held-sets.js';
import { fittingStates } from '../plan/kernel-choice.js';
import { ledMarks } from '../plan/others.js';
import type { Plan } from '../plan/plan.js';
import { type Lists, planLists, TABLE_LISTS } from '../plan/render/lists.js';
import type { PlanStates } from '../plan/states.js';
import { factsFor, ipsetsOf } from './backend.js';
import { readEndpoints } from './endpoints.js';
import { type ExecutorEvent, type ExecutorVerb, execute, type Missing } from './executor.js';
import { readFactsLater } from './facts.js';
import type { Firewall } from './firewall.js';
import {
  type Installed,
  installedConfig,
  KEPT_FILE,
  keptText,
  readInstalled,
  readSettled,
  rulesAreUp,
} from './installed.js';
import { changedDevices, linkOf } from './link-changes.js';
import { isWanted, missingLines } from './missing.js';
import { askNeighbours } from './neighbours.js';
import {
  dropNetworkSets,
  fillNetworkSetsLater,
  readNetworkSets,
  restoreNetworkSets,
  type SetsBefore,
} from './network-sets.js';
import { PlanFolder, removeAbandonedPlans } from './plan-folder.js';
import { needNetAdmin } from './privilege.js';
import { jumpsToMove, NOTHING_REDIRECTED, readRedirections, redirectionFacts } from './redirections.js';
import { countingAfter } from './rule-counters.js';
import { saidBy } from './said.js';

/** The result of a change to the rules. */
export interface Outcome {
  /** 0: done; 1: the machine refused, or something is missing that must not be put back. */
  readonly code: number;
  /** Lines for a person to know, for example that a WAN cannot be used at the moment. */
  readonly said: readonly string[];
  /** Those of the plan itself, which hold as long as it does: rules of others that leave ours nothing, for example. */
  readonly notes: readonly string[];
  /** The parts that somebody removed, one line for each table, ip rule, route or setting. */
  readonly missing: readonly string[];
  /** The commands that were run, as text; empty when nothing changed. */
  readonly changes: readonly string[];
}

/** Told of each line of an outcome as it comes. */
export interface Listener {
  readonly said?: (line: string) => void;
  readonly missing?: (line: string) => void;
  readonly changed?: (command: string) => void;
}

/** How `up` goes about it. */
export interface UpOptions {
  readonly raw: RawConfig;
  readonly config: PlanConfig;
  readonly firewall: Firewall;
  readonly states: PlanStates;
}

/** Installs what a configuration asks for, or changes over to it from another one. @throws UsageError, SystemError */
export function upRules(options: UpOptions, listener: Listener = {}): Promise<Outcome> {
  return new Passage('up', listener).run(async () => {
    const before = readInstalled();
    return { ...options, before, refusesMistakes: true };
  });
}

/** How `refresh` goes about it. */
export interface RefreshOptions {
  /**
   * Asked while the lock is held, so that the states are current. When undefined, the states of the last `up` or
   * refresh hold.
   */
  readonly states?: (() => PlanStates | undefined) | undefined;
  /** False: nothing missing is put back, and nothing is changed while something is missing. Default true. */
  readonly repair?: boolean;
  /** Devices that just went or lost an address: nobody removed what is missing there. */
  readonly touched?: readonly string[];
}

/**
 * Brings what `up` installed in line with the current routes, addresses and neighbours, and puts back what is missing.
 * @throws SystemError
 */
export function refreshRules(options: RefreshOptions = {}, listener: Listener = {}): Promise<Outcome> {
  return new Passage('refresh', listener, options).run(() => asInstalled(options.states?.()));
}

/**
 * Says what a refresh would put back, and changes nothing. The code is 1 when there is something. @throws SystemError
 */
export function checkRules(listener: Listener = {}): Promise<Outcome> {
  return new Passage('check', listener).run(() => asInstalled(undefined));
}

async function asInstalled(states: PlanStates | undefined): Promise<Asked> {
  const before = readInstalled();
  if (before === undefined) throw notInstalled();
  const config = installedConfig(before);
  const { raw, firewall } = before;
  return {
    raw,
    config,
    firewall,
    states: fittingStates(config, states ?? before.states),
    before,
    refusesMistakes: false,
  };
}

function notInstalled(): SystemError {
  return rulesAreUp()
    ? new SystemError('OTHER_VERSION', "the rules are another version's; run 'wanmark up' again")
    : new SystemError('NOT_UP', "is not up; run 'wanmark up' first");
}

/** The wanted state and how to treat it. */
interface Asked extends UpOptions {
  readonly before: Installed | undefined;
  /** Whether a WAN that can never work is an error; otherwise it is left out. */
  readonly refusesMistakes: boolean;
}

/** One run of the executor, from the first question to the outcome. */
class Passage {
  readonly #verb: ExecutorVerb;
  readonly #listener: Listener;
  readonly #options: RefreshOptions;
  readonly #said: string[] = [];
  #notes: readonly string[] = [];
  readonly #gone: Missing[] = [];
  #missing: readonly string[] = [];
  readonly #changes: string[] = [];
  #stopped = false;
  /** The sets that rules are to ask, and what was in them; undefined where nothing is to be changed. */
  #sets: { readonly held: readonly HeldSet[]; readonly before: SetsBefore } | undefined;

  constructor(verb: ExecutorVerb, listener: Listener, options: RefreshOptions = {}) {
    this.#verb = verb;
    this.#listener = listener;
    this.#options = options;
  }

  /** @param ask called before the executor starts, and again when it holds the lock, for which it may have waited */
  async run(ask: () => Promise<Asked>): Promise<Outcome> {
    needNetAdmin();
    const folder = new PlanFolder();
    try {
      folder.programs((await ask()).firewall);
      const code = await execute({
        verb: this.#verb,
        folder: folder.path,
        onEvent: (event) => this.#hear(event),
        onLooked: async () => this.#decide(await ask(), folder),
      });
      this.#settleSets(code === 0);
      const missing = this.#missing.length > 0 && (this.#stopped || this.#verb === 'check');
      return {
        // The executor's own look also misses what is no longer wanted.
        code: missing ? 1 : this.#verb === 'check' && code === 1 && this.#gone.length > 0 ? 0 : code,
        said: this.#said,
        notes: this.#notes,
        missing: this.#missing,
        changes: this.#changes,
      };
    } catch (error) {
      this.#settleSets(false);
      throw error;
    } finally {
      folder.remove();
    }
  }

  /** Removes the sets that no rule asks any more; after a failure, they become as they were. */
  #settleSets(done: boolean): void {
    if (this.#sets === undefined) return;
    if (done) dropNetworkSets(this.#sets.held);
    else restoreNetworkSets(this.#sets.before);
    this.#sets = undefined;
  }

  #hear(event: ExecutorEvent): void {
    if (event.event === 'missing') {
      this.#gone.push(event);
      return;
    }
    const { said, changes } = saidBy(event);
    for (const line of said) this.#say(line);
    for (const command of changes) {
      this.#changes.push(command);
      this.#listener.changed?.(command);
    }
  }

  #say(line: string): void {
    this.#said.push(line);
    this.#listener.said?.(line);
  }

  /** Decides while the executor holds the lock. @returns whether it is to go on */
  async #decide(asked: Asked, folder: PlanFolder): Promise<boolean> {
    const { config, states, before } = asked;
    removeAbandonedPlans();
    const macs = await askNeighbours(config, before?.macs ?? new Map());
    const { firewall } = asked;
    const read = factsFor(await readFactsLater(config), firewall);
    const { mask } = config.fields.wans;
    const redirected = (family: Family) =>
      readRedirections(folder.saved(family), ledMarks({ facts: read, family, config, mask }));
    // Their conditions are in the words of iptables, which a plan copies as they are.
    const others = firewall.backend === 'nft' ? NOTHING_REDIRECTED : { 4: redirected(4), 6: redirected(6) };
    const endpoints = await readEndpoints(
      config.wans.map(({ dev }) => dev),
      read.devices,
    );
    const { ipsec } = firewall;
    const facts = { ...read, macs, ...redirectionFacts(others), endpoints, ipsec };
    // Packets wait for a daemon that does this, so it is done in parts.
    await setImmediate();
    const plan = buildPlan(config, facts, states);
    if (asked.refusesMistakes) rejectMistakes(plan);
    this.#tell(asked, plan);
    await setImmediate();
    const want = planLists(plan, firewall.backend);
    const held = ipsetsOf(plan, firewall);
    await setImmediate();
    const had = readNetworkSets();
    await setImmediate();
    this.#report(facts, want, before);
    if (this.#verb === 'check') return false;
    if (this.#options.repair === false && this.#missing.length > 0) {
      this.#stopped = true;
      return false;
    }
    writePlan(folder, asked, facts, plan, want);
    await setImmediate();
    // A rule can only ask a set that is there. Whoever is killed from here on leaves a set that holds what the machine has,
    // and that the next run, or `down`, takes up.
    this.#sets = { held, before: had };
    await fillNetworkSetsLater(held, had);
    return true;
  }

  #tell({ config, before }: Asked, { notes, unusable }: Plan): void {
    for (const { why, family } of unusable) this.#say(`${why}; its IPv${family} route is left out`);
    this.#notes = notes;
    for (const note of notes) this.#say(note);
    if (this.#verb !== 'up' || before === undefined) return;
    const { wans, backends } = numbersOf(config);
    for (const line of lostNumbers('WAN', wans, before.numbers.wans)) this.#say(`warning: ${line}`);
    for (const line of lostNumbers('backend', backends, before.numbers.backends))
      this.#say(`warning: ${line}`);
  }

  #report(facts: Facts, want: Lists, before: Installed | undefined): void {
    const excused = new Set([...(this.#options.touched ?? []), ...changedDevices(facts, before?.links)]);
    this.#missing = missingLines(this.#gone.filter((one) => isWanted(one, want, excused)));
    for (const line of this.#missing) this.#listener.missing?.(line);
  }
}

/** Throws for a WAN that can never work as configured. @throws UsageError */
function rejectMistakes({ unusable }: Plan): void {
  const mistake = unusable.find((one) => one.mistake);
  if (mistake !== undefined) throw new UsageError(mistake.why);
}

function writePlan(folder: PlanFolder, asked: Asked, facts: Facts, plan: Plan, want: Lists): void {
  const { config, before } = asked;
  const lists = folder.have();
  folder.want(want);
  const steps = planSteps({ lists, asked: settledIn(lists), toMove: jumpsOf(folder) }, want);
  folder.steps(steps);
  const kept = keptText({
    raw: asked.raw,
    firewall: asked.firewall,
    states: asked.states,
    numbers: numbersToKeep(config, before?.numbers),
    links: new Map(config.wans.map(({ dev }) => [dev, linkOf(dev, facts)])),
    unusable: new Set(plan.unusable.map(({ wan, family }) => targetId(wan, family))),
    macs: facts.macs,
    endpoints: facts.endpoints ?? new Map(),
    counting: countingAfter(before?.counting ?? new Map(), steps, want),
  });
  folder.keep(KEPT_FILE, kept);
  folder.keep('settings', (want.get('settings') ?? []).map((line) => `${line}\n`).join(''));
}

/** The jumps that are to be moved, by family. */
function jumpsOf(folder: PlanFolder): Record<Family, ReadonlySet<string>> {
  return { 4: jumpsToMove(folder.saved(4)), 6: jumpsToMove(folder.saved(6)) };
}

/** The lists that were asked for, of each table, or part of the nft table, that is still as the kernel made it then. */
function settledIn(lists: Lists): Lists {
  const settled = readSettled();
  const unchanged = TABLE_LISTS.filter(({ list }) => {
    const had = settled.have.get(list);
    return had !== undefined && had.length > 0 && had.join('\n') === lists.get(list)?.join('\n');
  });
  const nft = { want: settled.want.get('nft') ?? [], have: settled.have.get('nft') ?? [] };
  return new Map([
    ...unchanged.map(({ list }) => [list, settled.want.get(list) ?? []] as const),
    ['nft', settledParts(lists.get('nft') ?? [], nft)],
  ]);
}

type NumberedConfig = Pick<Config, 'wans' | 'services' | 'policies'>;

function numbersToKeep(config: NumberedConfig, before: Numbers | undefined): Numbers {
  const now = numbersOf(config);
  return {
    wans: rememberNumbers(now.wans, before?.wans ?? new Map()),
    backends: rememberNumbers(now.backends, before?.backends ?? new Map()),
    policies: rememberNumbers(now.policies, before?.policies ?? new Map()),
  };
}
