import { UsageError } from '../errors.js';
import { RULE_KEYS } from './keys.js';
import { matchText, parseMatch, type RuleMatch } from './match/match.js';
import { suggestion } from './nearest.js';
import { rejectUnknownKeys, textOf, toRecord } from './record.js';

/** Which connections go by which policy. */
export interface PolicyRule {
  /** The name of a policy, `default` and `direct` among them. */
  readonly policy: string;
  readonly match: RuleMatch;
}

export interface RuleContext {
  /** The names that a rule may give. */
  readonly policies: readonly string[];
  readonly sets: readonly string[];
  /** The bits of the mark that are wanmark's. */
  readonly ours: number;
}

/** Reads the rules, in the order in which they are asked. @throws UsageError */
export function parsePolicyRules(raw: readonly unknown[], context: RuleContext): readonly PolicyRule[] {
  return Object.freeze(raw.map((item, i) => parseRule(item, i + 1, context)));
}

function parseRule(item: unknown, number: number, { policies, sets, ours }: RuleContext): PolicyRule {
  const record = ruleRecord(item);
  const where = `rule ${number}`;
  rejectUnknownKeys(where, record, Object.keys(RULE_KEYS));
  const policy = textOf(record, 'policy') ?? '';
  if (policy === '') throw new UsageError(`${where} has no policy; add policy: NAME`);
  if (!policies.includes(policy))
    throw new UsageError(`${where}: unknown policy "${policy}"${suggestion(policy, policies)}`);
  const match = parseMatch(`${where} (${policy})`, record, ours);
  const stray = match.set?.any.find((name) => !sets.includes(name));
  if (stray !== undefined) {
    throw new UsageError(
      sets.length === 0
        ? `${where} (${policy}): there is no set "${stray}"; add --set ${stray},net=... or file=... or external`
        : `${where} (${policy}): unknown set "${stray}"${suggestion(stray, sets)}`,
    );
  }
  return Object.freeze({ policy, match });
}

/** A flag begins with the policy. */
function ruleRecord(item: unknown): Readonly<Record<string, unknown>> {
  const record = toRecord('rule', item);
  if (typeof item !== 'string') return record;
  const { name, ...keys } = record;
  return { policy: name, ...keys };
}

/** The rule as a flag. */
export function ruleText({ policy, match }: PolicyRule): string {
  return [policy, ...matchText(match)].join(',');
}
