import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Config, parseConfig } from '../config/config.js';
import { NO_NUMBERS, type Numbers } from '../config/numbers.js';
import { DEFAULT_BACKEND_MASK } from '../config/options/services.js';
import { DEFAULT_MASK } from '../config/options/wans.js';
import { type RawConfig, ruleOptions } from '../config/options.js';
import { readList } from '../config/raw.js';
import { parseTargetId, type TargetId } from '../core/target.js';
import type { Lists } from '../plan/render/lists.js';
import type { PlanStates } from '../plan/states.js';
import { readRegular } from '../regular-file.js';
import { isExhausted } from './exhausted.js';
import { type Firewall, namedPrograms } from './firewall.js';
import { readLists } from './plan-folder.js';
import { runDirectory } from './run-directory.js';

/** The file that is kept beside the executor's state. */
export const KEPT_FILE = 'plan.json';
const FORMAT = 1;
/** The largest configuration there can be, with its networks, is some megabytes. */
const MOST_BYTES = 256 << 20;
/** The WANs' field of the versions that did not note it: their default, where the options named no other. */
const FORMER_MASK = '0xff';

/** The inputs of the plan in force; kept from `up` to `down`. */
export interface Installed {
  /** The options of the last `up` that the rules depend on. They always name the fields of the mark. */
  readonly raw: RawConfig;
  readonly numbers: Numbers;
  readonly states: PlanStates;
  readonly firewall: Firewall;
  /** What tells a device that went and came back, or was switched off and on, from one that did not; by name. */
  readonly links: ReadonlyMap<string, string>;
  /** The WANs that had no usable route. */
  readonly unusable: ReadonlySet<TargetId>;
  /** MAC addresses of gateways on shared devices, as in the plan's facts. */
  readonly macs: ReadonlyMap<string, string>;
  /** The far ends of tunnels that only a program knows, as in the plan's facts. */
  readonly endpoints: ReadonlyMap<string, readonly string[]>;
  /** When the counters of rules began; see {@link Counting}. */
  readonly counting: Counting;
}

/**
 * When the counters of each chain began that has rules of the configuration: by `FAMILY CHAIN`, in seconds since the
 * machine's start, which no setting of its clock changes. A chain that an older version wrote is not in it.
 */
export type Counting = ReadonlyMap<string, number>;

/** The folder where the executor keeps its state from `up` to `down`. */
export function stateDirectory(): string {
  return join(runDirectory(), 'state');
}

/** Whether `up` was run and `down` was not. */
export function rulesAreUp(): boolean {
  return existsSync(join(stateDirectory(), 'up'));
}

/** What was read last, and of which file: the daemon asks twice a second, and with many WANs it takes a millisecond. */
let known: { readonly version: string; readonly installed: Installed } | undefined;

/** Reads what is in force; undefined where nothing is, or another version wrote it. @throws what isExhausted() knows */
export function readInstalled(): Installed | undefined {
  const path = join(stateDirectory(), KEPT_FILE);
  const version = versionOf(path);
  if (version === undefined) return undefined;
  if (known?.version !== version) {
    // Taken before the file is read: a newer one is read again.
    const installed = readKept(path);
    known = installed === undefined ? undefined : { version, installed };
  }
  return known?.installed;
}

/** A text that changes when the file does, which is replaced as a whole; undefined where there is none. */
function versionOf(path: string): string | undefined {
  try {
    const { dev, ino, size, mtimeNs } = statSync(path, { bigint: true });
    return [path, dev, ino, size, mtimeNs].join(' ');
  } catch (error) {
    if (isExhausted(error)) throw error;
    return undefined;
  }
}

function readKept(path: string): Installed | undefined {
  try {
    const kept = JSON.parse(readRegular(path, { most: MOST_BYTES }).toString('utf8'));
    return kept.format === FORMAT ? fromJson(kept) : undefined;
  } catch (error) {
    // Without its numbers, every WAN could get another one.
    if (isExhausted(error)) throw error;
    return undefined;
  }
}

/** The numbers that targets have had since `up`. */
export function installedNumbers(): Numbers {
  return readInstalled()?.numbers ?? NO_NUMBERS;
}

/**
 * The options, with the fields of the rules that are up where they name none. The marks of living connections are in
 * these bits, so another default of a newer version must not move them. Bare marks have nothing to do with our rules.
 */
export function withInstalledFields(raw: RawConfig): RawConfig {
  const installed = raw['high-mark'] === undefined ? readInstalled() : undefined;
  if (installed === undefined) return raw;
  return noting(raw, { mask: installed.raw.mask, backendMask: installed.raw['backend-mask'] });
}

/** The options, with these fields where they name none. The backends' goes only with services. */
function noting(raw: RawConfig, { mask, backendMask }: { mask: unknown; backendMask: unknown }): RawConfig {
  const fields = { mask: raw.mask ?? mask };
  if (readList(raw, 'service').length === 0) return { ...raw, ...fields };
  return { ...raw, ...fields, 'backend-mask': raw['backend-mask'] ?? backendMask };
}

/** The configuration of the last `up`, with its numbers. */
export function installedConfig(installed: Installed): Config {
  const { raw, numbers } = installed;
  const config = configs.get(installed) ?? parseConfig(raw, numbers);
  configs.set(installed, config);
  return config;
}

/** Configurations that were parsed already. */
const configs = new WeakMap<Installed, Config>();

/** The rules that were asked for and how the kernel printed them, table by table. */
export function readSettled(): { readonly want: Lists; readonly have: Lists } {
  return {
    want: readLists(join(stateDirectory(), 'want')),
    have: readLists(join(stateDirectory(), 'have')),
  };
}

/** The text of {@link KEPT_FILE}. */
export function keptText(installed: Installed): string {
  const { raw, numbers, states, firewall, links, unusable, macs, endpoints, counting } = installed;
  return `${JSON.stringify({
    format: FORMAT,
    raw: noting(ruleOptions(raw), { mask: DEFAULT_MASK, backendMask: DEFAULT_BACKEND_MASK }),
    numbers: {
      wans: Object.fromEntries(numbers.wans),
      backends: Object.fromEntries(numbers.backends),
      policies: Object.fromEntries(numbers.policies),
    },
    states: {
      down: [...states.down],
      suspected: [...states.suspected],
      weights: Object.fromEntries(states.weights),
    },
    firewall,
    links: Object.fromEntries(links),
    unusable: [...unusable],
    macs: Object.fromEntries(macs),
    endpoints: Object.fromEntries(endpoints),
    counting: Object.fromEntries(counting),
  })}\n`;
}

interface Kept {
  readonly raw: RawConfig;
  readonly numbers: {
    readonly wans: Record<string, number>;
    readonly backends: Record<string, number>;
    /** Missing in what older versions kept. */
    readonly policies?: Record<string, number>;
  };
  readonly states: {
    readonly down: string[];
    /** Missing in what older versions kept. */
    readonly suspected?: string[];
    readonly weights: Record<string, number>;
  };
  readonly firewall: Firewall;
  readonly links: Record<string, string>;
  readonly unusable: string[];
  readonly macs: Record<string, string>;
  /** Missing in what older versions kept. */
  readonly endpoints?: Record<string, string[]>;
  /** Missing in what older versions kept. */
  readonly counting?: Record<string, number>;
}

function fromJson({
  raw,
  numbers,
  states,
  firewall,
  links,
  unusable,
  macs,
  endpoints = {},
  counting = {},
}: Kept): Installed {
  return {
    raw: noting(raw, { mask: FORMER_MASK, backendMask: DEFAULT_BACKEND_MASK }),
    numbers: {
      wans: map(numbers.wans),
      backends: map(numbers.backends),
      policies: map(numbers.policies ?? {}),
    },
    states: {
      down: ids(states.down),
      suspected: ids(states.suspected ?? []),
      weights: map(states.weights),
    },
    firewall: { ...firewall, programs: firewall.programs ?? namedPrograms() },
    links: map(links),
    unusable: ids(unusable),
    macs: map(macs),
    endpoints: map(endpoints),
    counting: map(counting),
  };
}

function map<T>(record: Record<string, T>): ReadonlyMap<string, T> {
  return new Map(Object.entries(record));
}

function ids(list: readonly string[]): ReadonlySet<TargetId> {
  return new Set(list.flatMap((text) => parseTargetId(text) ?? []));
}
