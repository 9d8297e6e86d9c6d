import type { CheckConfig } from '../../config/check.js';
import type { Config } from '../../config/config.js';
import type { Status } from '../../control/status.js';
import { FAMILIES, type Family } from '../../core/family.js';
import { carries } from '../../core/wan.js';
import { buildPlan } from '../../plan/build.js';
import type { Surroundings } from '../../plan/evaluate/packet.js';
import type { Address } from '../../plan/facts.js';
import { fittingStates } from '../../plan/kernel-choice.js';
import { initialStates } from '../../plan/states.js';
import { unpreparedFirewall } from '../../system/backend.js';
import { fedQueues, type QueueRange } from '../../system/feed.js';
import type { Installed } from '../../system/installed.js';
import { type Links, readLinks } from '../../system/links.js';
import { lookAround } from '../../system/look-around.js';
import { takenTable } from '../../system/prepare.js';
import type { RunProgram } from '../../system/programs.js';
import { lookupRoute } from '../../system/rtnetlink/route-lookup.js';
import { type Run, run as runCommand } from '../../system/run.js';
import { makeCheck } from '../../wan/checks.js';
import { linkVerdict, pathOf } from '../../wan/uplink.js';
import type { DoctorFacts, NatFacts, OtherFacts, ServerFacts, TargetFacts, WayFacts } from '../facts.js';
import { askGateways, type Gateway } from './gateways.js';
import { readHelpers } from './helpers.js';
import { InTime, runOnce } from './in-time.js';
import { knownChecks, uncheckedWans } from './known-checks.js';
import { findLacks } from './lacks.js';
import { networkdRemovesRules } from './networkd.js';
import { readRules } from './rules.js';
import { flowtables, hasFirewalld, hasMwan3, type Rulesets, translators } from './rulesets.js';
import { askServers, outsideServers, reachedByWans } from './servers.js';
import { readSettings } from './settings.js';
import { askTargets, type PathTo } from './targets.js';

/** How long all looks together may take. The probes take four seconds at most; this is for a program or a lock that hangs. */
const LIMIT_MS = 10_000;

/** The configuration that `doctor` examines, and where it is from. */
export interface Patient {
  readonly config: Config;
  /** Whether `config` is that of the command line, and not that of the last `up`. */
  readonly isGiven: boolean;
  readonly installed: Installed | undefined;
  readonly daemon: Status | undefined;
}

/** What the commands have, too. */
export interface Advice {
  /** Who else uses our bits of the mark, a line each. */
  readonly conflicts: (run: Run) => Promise<readonly string[]>;
  /** Where a daemon's queues and the rules differ, a line each. */
  readonly queues: (status: Status, fed: readonly QueueRange[]) => readonly string[];
  /** Runs scripts of checks. */
  readonly program: RunProgram;
}

/** All that was found, and whether something goes on although nobody waits for it any more. */
export interface Gathered {
  readonly facts: DoctorFacts;
  readonly isLate: boolean;
}

/** Looks at everything at once, and changes nothing. @throws SystemError */
export async function gather(patient: Patient, advice: Advice, start: Run = runCommand): Promise<Gathered> {
  const { config, isGiven, installed, daemon } = patient;
  const run = runOnce(start);
  const inTime = new InTime(LIMIT_MS);
  const links = readLinks();
  const ways = waysOf(config, links);
  const path = pathTo(config, links, ways);
  const firewall = installed?.firewall ?? unpreparedFirewall(config);
  const around = inTime.look('devices, routes and rules of others', () => lookAround(config, firewall, run));
  const rulesets = inTime.look('the firewall', () => readRulesets(firewall.programs, run));
  /** Reads something from what another look found, which has said itself why it found nothing. */
  const from = async <T, R>(source: Promise<T | undefined>, read: (found: T) => R | Promise<R>) => {
    const found = await source;
    return found === undefined ? undefined : inTime.look('the firewall', () => read(found));
  };
  const checks = knownChecks(config, isGiven, daemon);
  const isUp = installed !== undefined;
  const [rules, queues, notes, gateways, targets, servers, conflicts, others, tables, helpers, nat, lacks] =
    await Promise.all([
      inTime.look('the rules', () => readRules(config, installed)),
      inTime.look('the queues', () => (daemon === undefined ? [] : fedBy(daemon, advice, run))),
      from(around, (found) => notesOf(patient, found)),
      inTime.look('the gateways', () => askGateways(gatewaysOf(config, links, path))),
      inTime.look('the checks', () =>
        checks !== undefined && isUp ? askAll(config, checks, path, advice.program) : undefined,
      ),
      inTime.look('the name servers', () => (isUp ? askNames(config, links, path) : undefined)),
      inTime.look('marks', () => advice.conflicts(run)),
      from(rulesets, (all) => othersOf(config, all, run)),
      from(rulesets, flowtables),
      from(rulesets, readHelpers),
      from(rulesets, async (all) => natOf(config, all, await around)),
      from(around, ({ facts }) => findLacks(config, facts, firewall, run)),
    ]);
  inTime.done();
  const unchecked = checks === undefined ? [] : uncheckedWans(config.wans, checks, daemon);
  return {
    facts: {
      config,
      rules: rules ?? { state: 'unseen', why: 'it takes too long; does another command hold the lock?' },
      daemon,
      queues: queues ?? [],
      notes,
      settings: readSettings(config),
      ways,
      gateways,
      checks: checks === undefined ? undefined : { unchecked, answers: targets },
      servers,
      conflicts,
      others,
      flowtables: tables,
      helpers,
      nat,
      lacks,
      late: inTime.late,
    },
    isLate: inTime.isLate,
  };
}

/** The device of each WAN and the way to its gateway. */
function waysOf({ wans }: Config, links: Links): WayFacts[] {
  return wans.flatMap((wan) =>
    FAMILIES.flatMap((family) => {
      const verdict = linkVerdict(wan, family, links);
      return verdict === undefined ? [] : [{ wan: wan.name, dev: wan.dev, family, ...verdict }];
    }),
  );
}

/** The way of a probe by a WAN that has a way at all, or to a server. */
function pathTo({ wans, fields }: Config, links: Links, ways: readonly WayFacts[]): PathTo {
  return (name, family) => {
    const wan = wans.find((one) => one.name === name);
    // A server is reached by the main table.
    if (wan === undefined) return { wan: name, family, mark: 0, device: undefined, unnoticed: true };
    if (!ways.some((one) => one.wan === name && one.family === family && one.up)) return undefined;
    return pathOf(wan, family, links, fields.wans.encode(wan.mark));
  };
}

function gatewaysOf({ wans }: Config, links: Links, path: PathTo): Gateway[] {
  return wans.flatMap(({ name, dev }) =>
    FAMILIES.flatMap((family) => {
      const gateway = path(name, family)?.gateway;
      if (gateway === undefined || gateway === 'dev') return [];
      return [{ wan: name, family, dev, address: gateway, index: links.index(dev) }];
    }),
  );
}

async function askAll(
  { wans }: Config,
  checks: readonly CheckConfig[],
  path: PathTo,
  program: RunProgram,
): Promise<TargetFacts[]> {
  const names = wans.map(({ name }) => name);
  return askTargets(checks, names, path, (one) => makeCheck(one, { run: program }));
}

async function askNames(
  { wans, health }: Config,
  links: Links,
  path: PathTo,
): Promise<ServerFacts[] | undefined> {
  const indexes = new Set(wans.map(({ dev }) => links.index(dev)));
  const servers = reachedByWans(outsideServers(health.checks), indexes, lookupRoute);
  return servers.length === 0 ? undefined : askServers(servers, wans, path);
}

/** Where the rules feed other queues than the daemon has. */
async function fedBy(daemon: Status, { queues }: Advice, run: Run): Promise<readonly string[]> {
  const fed = await fedQueues(run);
  return fed === undefined ? [] : queues(daemon, fed);
}

async function readRulesets(programs: Readonly<Record<Family, string>>, run: Run): Promise<Rulesets> {
  const [four, six, nft] = await Promise.all([
    run([`${programs[4]}-save`]),
    run([`${programs[6]}-save`]),
    run(['nft', '-s', '-t', 'list', 'ruleset']),
  ]);
  return { saved: { 4: four.stdout, 6: six.stdout }, nft: nft.stdout };
}

function notesOf({ config, installed }: Patient, { facts }: Surroundings): readonly string[] {
  const states = fittingStates(config, installed?.states ?? initialStates(config.wans));
  return buildPlan(config, facts, states).notes;
}

async function othersOf(config: Config, rulesets: Rulesets, run: Run): Promise<OtherFacts> {
  const families = FAMILIES.filter((family) => config.wans.some((wan) => carries(wan, family)));
  const taken = await Promise.all(families.map((family) => takenTable(config, family, run)));
  return {
    networkd: networkdRemovesRules(),
    firewalld: hasFirewalld(rulesets),
    mwan3: hasMwan3(rulesets),
    taken: taken.filter((line) => line !== undefined),
  };
}

/** The networks of the devices that are no WAN, and who translates besides us. */
function natOf({ wans }: Config, rulesets: Rulesets, around: Surroundings | undefined): NatFacts {
  const isLan = ({ dev }: Address) => wans.every((wan) => wan.dev !== dev) && dev !== 'lo';
  const addresses = (family: Family) => around?.facts.addresses[family].filter(isLan) ?? [];
  return { lan: { 4: addresses(4), 6: addresses(6) }, translators: translators(rulesets) };
}
