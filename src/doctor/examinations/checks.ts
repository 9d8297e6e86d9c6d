import { examination, type Found } from '../examination.js';
import type { TargetFacts } from '../facts.js';
import { groupBy } from '../groups.js';

type Kind = 'failed' | 'target' | 'unknown' | 'none' | 'not-given' | 'not-asked';

export const checks = examination<Kind>({
  name: 'checks',
  asks: 'Whether each target of each check answers by each WAN, now, apart from what the daemon found; and whether each WAN has a check. Without `--config` the checks are those that the daemon reports; scripts then are not run.',
  kinds: {
    failed: {
      level: 'wrong',
      means:
        'Fewer targets answer than the check needs (`quorum`); in a moment the daemon takes the WAN for down, if it has not yet.',
      todo: 'If its gateway answers, the line behind it is dead: ask the provider. If only this check fails, look at its targets.',
    },
    target: {
      level: 'warning',
      means: 'One target does not answer by this WAN, and the check passes by its others.',
      todo: 'Choose another target: the WAN would be down with the next one that fails.',
    },
    unknown: {
      level: 'warning',
      means:
        'The question did not get out of this machine, or did not find its target: a firewall of the router, a name that is not known.',
      todo: 'Do what the line says. Such a check never takes a WAN down.',
    },
    none: {
      level: 'warning',
      means:
        "Nobody asks whether this WAN works; its death behind the modem is found only by what clients' connections show.",
      todo: '`--check WAN=ping,to=ADDRESS`, see [health](health.md).',
    },
    'not-given': {
      level: 'warning',
      means: 'No daemon runs, and no configuration was given, so nobody knows which checks there are.',
      todo: '`wanmark doctor --config FILE`, with the file of the daemon.',
    },
    'not-asked': {
      level: 'warning',
      means: 'Without the rules a question would leave by the main table, whatever WAN it is for.',
      todo: 'Run `wanmark up` first.',
    },
  },
  examine: ({ checks: found, config }) => {
    if (config.wans.length === 0 && config.services.length === 0) return { faults: [] };
    if (found === undefined) {
      const text = 'not known without the configuration and without a daemon';
      return { faults: [{ kind: 'not-given', text, todo: 'give it: wanmark doctor --config FILE' }] };
    }
    const { unchecked, answers } = found;
    const faults: Found<Kind>[] = unchecked.map((wan) => ({
      kind: 'none',
      text: `${wan} has no check, so its death is found late`,
      todo: `add --check ${wan.split(' ')[0]}=ping,to=ADDRESS`,
    }));
    if (answers === undefined) {
      const text = 'the targets were not asked, since the rules are not up';
      return { faults: [...faults, { kind: 'not-asked', text, todo: "run 'wanmark up'" }] };
    }
    const groups = groupBy(answers, ({ wan, family, check }) => `${wan} ${family} ${JSON.stringify(check)}`);
    for (const group of groups.values()) faults.push(...judged(group));
    const well = answers.filter(({ result }) => result.ok).length;
    return { ok: well === 0 ? undefined : `${well} of ${answers.length} targets answer`, faults };
  },
});

/** The faults of one check by one WAN. */
function judged(group: readonly TargetFacts[]): Found<Kind>[] {
  const { check } = group[0]!;
  const answered = group.filter(({ result }) => result.ok).length;
  const passes = answered >= check.quorum;
  const silent = group.filter(({ result }) => !result.ok && !result.inconclusive);
  const unknown = group.filter(({ result }) => result.inconclusive);
  const fails = !passes && answered + unknown.length < check.quorum;
  return [
    ...silent.map(
      (one): Found<Kind> => ({
        kind: fails ? 'failed' : 'target',
        text: lineOf(one),
        todo: fails ? 'look at the line and its provider, or at the target' : 'choose another target',
      }),
    ),
    ...unknown.map(
      (one): Found<Kind> => ({
        kind: 'unknown',
        text: `${lineOf(one)}, which says nothing of the WAN`,
        todo: 'look at this router: its firewall, its resolver, its limits',
      }),
    ),
  ];
}

function lineOf({ wan, family, check, target, result }: TargetFacts): string {
  return `${wan}, IPv${family}: ${check.kind} ${target}: ${result.why}`;
}
