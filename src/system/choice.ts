import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildPlan } from '../plan/build.js';
import { fittingStates } from '../plan/kernel-choice.js';
import { type Lists, planLists, TABLE_LISTS } from '../plan/render/lists.js';
import type { PlanStates } from '../plan/states.js';
import { readFacts } from './facts.js';
import {
  installedConfig,
  KEPT_FILE,
  keptText,
  readInstalled,
  readSettled,
  rulesAreUp,
  stateDirectory,
} from './installed.js';
import { runLimited } from './limited.js';
import { underLock } from './lock.js';

const CHAIN = 'WANMARK_KERNEL';
const TIMEOUT_MS = 15_000;

/**
 * Changes only the kernel's own choice in the rules, without starting a shell: one iptables-restore for each family in
 * which the choice differs. This is safe where the kernel prints the current chain exactly as we wrote it: the new
 * chain will be printed the same way, so it can be noted without a look.
 *
 * @returns whether the rules go by these states now; false when a refresh has to see to it
 */
export async function changeChoice(states: PlanStates): Promise<boolean> {
  if (!rulesAreUp()) return false;
  return (await underLock(() => change(states))) ?? false;
}

async function change(wished: PlanStates): Promise<boolean> {
  const installed = readInstalled();
  if (installed === undefined || !rulesAreUp()) return false;
  const config = installedConfig(installed);
  const states = fittingStates(config, wished);
  const { macs, firewall } = installed;
  const facts = { ...readFacts(config), macs, ipsec: firewall.ipsec };
  const want = planLists(buildPlan(config, facts, states));
  const settled = readSettled();
  const changed = TABLE_LISTS.filter(
    ({ list }) => !isEqual(chainOf(settled.want, list), chainOf(want, list)),
  );
  if (!changed.every(({ list }) => isLiteral(settled, list))) return false;
  const done = await Promise.all(
    changed.map(({ family, stage, list }) => {
      const input = [`*${stage}`, `:${CHAIN} - [0:0]`, ...chainOf(want, list), 'COMMIT', ''].join('\n');
      return restore(installed.firewall.programs[family], input);
    }),
  );
  if (!done.every(Boolean)) return false;
  for (const { list } of changed) {
    // The order matters: a crash in between leaves a `have` that the kernel does not have, so nothing is trusted.
    for (const [folder, lists] of [
      ['want', settled.want],
      ['have', settled.have],
    ] as const) {
      keep(join(folder, list), withChain(lists.get(list) ?? [], chainOf(want, list)));
    }
  }
  keep(
    KEPT_FILE,
    keptText({ ...installed, states })
      .trimEnd()
      .split('\n'),
  );
  return true;
}

function chainOf(lists: Lists, list: string): readonly string[] {
  return (lists.get(list) ?? []).filter((line) => line.startsWith(`-A ${CHAIN} `));
}

/** Whether the kernel prints the chain as we wrote it. For an empty chain that cannot be known. */
function isLiteral({ have, want }: { readonly have: Lists; readonly want: Lists }, list: string): boolean {
  const chain = chainOf(want, list);
  return chain.length > 0 && isEqual(chain, chainOf(have, list));
}

function isEqual(a: readonly string[], b: readonly string[]): boolean {
  return a.join('\n') === b.join('\n');
}

async function restore(program: string, input: string): Promise<boolean> {
  const argv = [`${program}-restore`, '--wait=10', '--noflush'] as const;
  const { code } = await runLimited(argv, { input, timeoutMs: TIMEOUT_MS });
  return code === 0;
}

/** The table with a new text for the chain, in the place where it stood. */
function withChain(lines: readonly string[], chain: readonly string[]): string[] {
  const isOld = (line: string) => line.startsWith(`-A ${CHAIN} `);
  const at = lines.findIndex(isOld);
  return [...lines.slice(0, at), ...chain, ...lines.slice(at).filter((line) => !isOld(line))];
}

/** Replaces a file of the state at once; a crash leaves the old file or the new one. */
function keep(name: string, lines: readonly string[]): void {
  const file = join(stateDirectory(), name);
  writeFileSync(`${file}.new`, lines.map((line) => `${line}\n`).join(''));
  renameSync(`${file}.new`, file);
}
