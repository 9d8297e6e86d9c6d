import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildPlan } from '../plan/build.js';
import { fittingStates } from '../plan/kernel-choice.js';
import { type Lists, planLists, TABLE_LISTS } from '../plan/render/lists.js';
import type { PlanStates } from '../plan/states.js';
import { factsFor } from './backend.js';
import { readFactsLater } from './facts.js';
import { FRESH, freshPath } from './fresh-file.js';
import {
  type Installed,
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
import { nftChange } from './nft-choice.js';

/** The chains that choose: among the WANs, those of each policy, and the backends of each service. */
const CHOOSING = /^-A (WANMARK_(?:KERNEL|BY_\S+|POOL\d+)) /;
const TIMEOUT_MS = 15_000;

/**
 * Changes only the kernel's own choice in the rules, without starting a shell: by one nft, or one iptables-restore for each
 * family in which the choice differs. This is safe where the kernel prints the current chain exactly as we wrote it: the new
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
  const { macs, endpoints, firewall } = installed;
  const facts = {
    ...factsFor(await readFactsLater(config), firewall),
    macs,
    endpoints,
    ipsec: firewall.ipsec,
  };
  const want = planLists(buildPlan(config, facts, states), firewall.backend);
  const settled = readSettled();
  const isDone =
    firewall.backend === 'nft'
      ? await changeNft(settled, want)
      : await changeTables(settled, want, installed);
  if (!isDone) return false;
  keep(
    KEPT_FILE,
    keptText({ ...installed, states })
      .trimEnd()
      .split('\n'),
  );
  return true;
}

type Settled = ReturnType<typeof readSettled>;

/** @returns whether the choice is as it is wanted */
async function changeNft(settled: Settled, want: Lists): Promise<boolean> {
  const before = { want: settled.want.get('nft') ?? [], have: settled.have.get('nft') ?? [] };
  const change = nftChange(before, want.get('nft') ?? []);
  if (change === undefined) return false;
  if (change.batch.length === 0) return true;
  const input = change.batch.map((line) => `${line}\n`).join('');
  const { code } = await runLimited(['nft', '-f', '-'], { input, timeoutMs: TIMEOUT_MS });
  if (code !== 0) return false;
  // The order matters: a crash in between leaves a `have` that the kernel does not have, so nothing is trusted.
  keep(join('want', 'nft'), change.want);
  keep(join('have', 'nft'), change.have);
  return true;
}

/** @returns whether the choice is as it is wanted */
async function changeTables(settled: Settled, want: Lists, { firewall }: Installed): Promise<boolean> {
  const changed = TABLE_LISTS.map((table) => ({
    ...table,
    chains: choosing(settled.want, want, table.list).filter(
      (chain) => !isEqual(chainOf(settled.want, table.list, chain), chainOf(want, table.list, chain)),
    ),
  })).filter(({ chains }) => chains.length > 0);
  if (!changed.every(({ list, chains }) => chains.every((chain) => isLiteral(settled, list, chain))))
    return false;
  const done = await Promise.all(
    changed.map(({ family, stage, list, chains }) => {
      const heads = chains.map((chain) => `:${chain} - [0:0]`);
      const rules = chains.flatMap((chain) => chainOf(want, list, chain));
      const input = [`*${stage}`, ...heads, ...rules, 'COMMIT', ''].join('\n');
      return restore(firewall.programs[family], input);
    }),
  );
  if (!done.every(Boolean)) return false;
  for (const { list, chains } of changed) {
    // The order matters: a crash in between leaves a `have` that the kernel does not have, so nothing is trusted.
    for (const [folder, lists] of [
      ['want', settled.want],
      ['have', settled.have],
    ] as const) {
      const lines = chains.reduce<readonly string[]>(
        (all, chain) => withChain(all, chain, chainOf(want, list, chain)),
        lists.get(list) ?? [],
      );
      keep(join(folder, list), lines);
    }
  }
  return true;
}

/** The names of the chains that choose in either state of a table. */
function choosing(before: Lists, after: Lists, list: string): readonly string[] {
  const lines = [...(before.get(list) ?? []), ...(after.get(list) ?? [])];
  return [...new Set(lines.flatMap((line) => CHOOSING.exec(line)?.[1] ?? []))];
}

function chainOf(lists: Lists, list: string, chain: string): readonly string[] {
  return (lists.get(list) ?? []).filter((line) => line.startsWith(`-A ${chain} `));
}

/** Whether the kernel prints the chain as we wrote it. For an empty chain that cannot be known. */
function isLiteral(
  { have, want }: { readonly have: Lists; readonly want: Lists },
  list: string,
  chain: string,
): boolean {
  const lines = chainOf(want, list, chain);
  return lines.length > 0 && isEqual(lines, chainOf(have, list, chain));
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
function withChain(lines: readonly string[], chain: string, text: readonly string[]): string[] {
  const isOld = (line: string) => line.startsWith(`-A ${chain} `);
  const at = lines.findIndex(isOld);
  return [...lines.slice(0, at), ...text, ...lines.slice(at).filter((line) => !isOld(line))];
}

/** Replaces a file of the state at once; a crash leaves the old file or the new one. */
function keep(name: string, lines: readonly string[]): void {
  const file = join(stateDirectory(), name);
  const fresh = freshPath(file);
  writeFileSync(fresh, lines.map((line) => `${line}\n`).join(''), { flag: FRESH });
  renameSync(fresh, file);
}
