import { durationText } from '../../config/sticky.js';
import { MAX_WEIGHT } from '../../config/wan.js';
import type { Item } from '../draft.js';
import type { Findings } from '../findings.js';
import { Names } from '../names.js';
import { type PoolMember, shares, useOf } from '../pool.js';
import type { SourceLine } from '../source.js';
import type { Section } from '../uci/section.js';
import { readLimited, readNumber } from './numbers.js';
import type { Uplinks } from './uplinks.js';

/** The words of `use_policy` that are policies of mwan3's own, and what they are here. */
export const RESERVED: ReadonlyMap<string, string> = new Map([
  ['default', 'direct'],
  ['unreachable', 'unreachable'],
  ['blackhole', 'blackhole'],
]);
/** Names that mean something else in our configuration. */
const OURS = ['default', 'direct', 'unreachable', 'blackhole', 'main'];
/** The kernel's chains of mwan3 have no room for more. */
const LONGEST_NAME = 15;
const HIGHEST_METRIC = 256;
const WEIGHTS = { least: 1, most: MAX_WEIGHT };

/** A policy of mwan3. */
export interface Policy {
  readonly members: readonly PoolMember[];
  /** Whether it refuses what it has nobody for. */
  readonly refuses: boolean;
  /** What a rule has to name; one that has nobody in it is what becomes of its traffic then. */
  readonly target: string;
  /** What a sticky rule has to name: the policy itself where stickiness changes nothing. */
  readonly stickyFor: (seconds: number, lines: readonly SourceLine[]) => string;
}

/** Whether mwan3 skips a rule or policy because of its name. */
export function isTooLong(name: string): boolean {
  return name.length > LONGEST_NAME;
}

/** The policies of mwan3, by name, and what becomes of them here. */
export class Policies {
  readonly #byName = new Map<string, Policy>();
  readonly #items: Item[] = [];
  readonly #names: Names;
  readonly #findings: Findings;

  constructor(sections: readonly Section[], uplinks: Uplinks, findings: Findings) {
    this.#findings = findings;
    this.#names = new Names([...OURS, ...[...uplinks.usable.values()].map(({ name }) => name)]);
    const members = new Map(
      sections.filter(({ type }) => type === 'member').map((section) => [section.name ?? '', section]),
    );
    const policies = sections.filter(({ type, name }) => type === 'policy' && name !== undefined);
    for (const section of policies) {
      const name = section.name!;
      if (isTooLong(name)) {
        findings.note(
          section.at,
          `mwan3 skips policy ${name}: its name has more than ${LONGEST_NAME} letters`,
        );
      } else this.#byName.set(name, this.#read(section, members, uplinks));
    }
  }

  get items(): readonly Item[] {
    return this.#items;
  }

  get(name: string): Policy | undefined {
    return this.#byName.get(name);
  }

  #read(section: Section, sections: ReadonlyMap<string, Section>, uplinks: Uplinks): Policy {
    const { members, lines } = this.#members(section, sections, uplinks);
    const none = this.#none(section);
    const refuses = none !== 'main';
    if (members.length === 0) {
      const target = none === 'main' ? 'direct' : none;
      this.#findings.note(
        section.at,
        `${section.title} has no interface that can be up; what is led to it is ${target}`,
      );
      return { members, target, refuses, stickyFor: () => target };
    }
    const target = this.#names.take(section.name!, '-policy');
    const from = [...section.lines('use_member', 'last_resort'), ...lines];
    const keys = { use: useOf(members), none };
    this.#items.push({ keys: { name: target, ...keys }, from });
    const sticky = new Map<number, string>();
    const stickyFor = (seconds: number, own: readonly SourceLine[]) => {
      const name = sticky.get(seconds) ?? this.#names.takeVariant(target, '-sticky');
      if (!sticky.has(seconds)) {
        sticky.set(seconds, name);
        this.#items.push({
          keys: { name, ...keys, sticky: { by: 'src', for: durationText(seconds) } },
          from: own,
          remark: `${target}, for what is sticky`,
        });
      }
      return name;
    };
    return { members, target, refuses, stickyFor: shares(members) ? stickyFor : () => target };
  }

  #none(section: Section): 'main' | 'unreachable' | 'blackhole' {
    const lastResort = section.get('last_resort');
    return lastResort === 'default' ? 'main' : lastResort === 'blackhole' ? 'blackhole' : 'unreachable';
  }

  #members(section: Section, sections: ReadonlyMap<string, Section>, uplinks: Uplinks) {
    const members: PoolMember[] = [];
    const lines: SourceLine[] = [];
    for (const name of section.all('use_member')) {
      const at = section.lineOfValue('use_member', name);
      const member = sections.get(name);
      if (member === undefined) this.#findings.note(at, `there is no member ${name}; mwan3 ignores it`);
      else if (this.#add(member, members, uplinks))
        lines.push(...member.lines('interface', 'metric', 'weight'));
    }
    return { members, lines };
  }

  /** @returns whether the member can carry something */
  #add(section: Section, members: PoolMember[], { usable, declared }: Uplinks): boolean {
    const interfaceName = section.get('interface') ?? '';
    const uplink = usable.get(interfaceName);
    if (uplink === undefined) {
      if (!declared.has(interfaceName)) {
        this.#findings.note(
          section.lineOf('interface'),
          `mwan3 has no interface "${interfaceName}", so it ignores ${section.title}`,
        );
      }
      return false;
    }
    const metric = readNumber(section, 'metric', 1, this.#findings);
    if (metric > HIGHEST_METRIC) {
      this.#findings.note(
        section.lineOf('metric'),
        `mwan3 ignores ${section.title}: its metric is above ${HIGHEST_METRIC}`,
      );
      return false;
    }
    const weight = readLimited(section, 'weight', 1, WEIGHTS, this.#findings);
    const { name: wan, family } = uplink;
    const i = members.findIndex((one) => one.wan === wan);
    const twin = members[i];
    if (twin === undefined) members.push({ wan, family, metric, weight });
    else if (twin.metric === metric) {
      members[i] = { ...twin, weight: twin.weight + weight };
      this.#findings.note(
        section.lineOf('interface'),
        `a policy has interface ${interfaceName} twice; its weights add up`,
      );
    } else if (metric < twin.metric) members[i] = { ...twin, metric, weight };
    return true;
  }
}
