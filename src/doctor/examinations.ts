import type { Examination, Fault } from './examination.js';
import { checks } from './examinations/checks.js';
import { conntrack } from './examinations/conntrack.js';
import { daemon } from './examinations/daemon.js';
import { dns } from './examinations/dns.js';
import { forwarding } from './examinations/forwarding.js';
import { gateways } from './examinations/gateways.js';
import { helpers } from './examinations/helpers.js';
import { ipRules } from './examinations/ip-rules.js';
import { kernel } from './examinations/kernel.js';
import { marks } from './examinations/marks.js';
import { nat } from './examinations/nat.js';
import { offload } from './examinations/offload.js';
import { programs } from './examinations/programs.js';
import { rules } from './examinations/rules.js';
import { sourceCheck } from './examinations/source-check.js';
import { tables } from './examinations/tables.js';
import { time } from './examinations/time.js';
import { uplinks } from './examinations/uplinks.js';
import { weights } from './examinations/weights.js';
import type { DoctorFacts } from './facts.js';

/** All parts of the report, in its order: first what is ours, then the uplinks, then what others have. */
export const EXAMINATIONS: readonly Examination[] = [
  rules,
  daemon,
  weights,
  forwarding,
  sourceCheck,
  nat,
  uplinks,
  gateways,
  checks,
  dns,
  conntrack,
  helpers,
  marks,
  ipRules,
  tables,
  programs,
  offload,
  kernel,
  time,
];

/** One line of the report. Fields may be added, never renamed. */
export interface Finding {
  /** The name of the examination. */
  readonly examination: string;
  /** Its kind, as docs/doctor.md lists it; `ok` where all is well. */
  readonly kind: string;
  readonly level: 'ok' | Fault;
  readonly text: string;
  /** Undefined where all is well. */
  readonly todo?: string;
}

/** The whole report: of each examination first what is wrong, then what is well. */
export function examineAll(facts: DoctorFacts): Finding[] {
  return EXAMINATIONS.flatMap(({ name, kinds, examine }) => {
    const { ok, faults } = examine(facts);
    return [
      ...faults.map(
        (one): Finding => ({
          examination: name,
          kind: one.kind,
          level: kinds[one.kind]!.level,
          text: one.text,
          todo: one.todo,
        }),
      ),
      ...(ok === undefined ? [] : [{ examination: name, kind: 'ok', level: 'ok' as const, text: ok }]),
    ];
  });
}
