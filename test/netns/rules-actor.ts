/**
 * Does to the rules what the commands and the daemon do, in a namespace.
 *
 * - `rules-actor.js REQUEST`: one request, which is a JSON object; what is said comes as from the command.
 * - `rules-actor.js`: a request in each line, an `Answer` in each line. It saves the start of a program for each.
 */
import { createInterface } from 'node:readline';
import { parseConfig } from '#wanmark/config/config.js';
import type { RawConfig } from '#wanmark/config/options.js';
import { parseTargetId, type TargetId } from '#wanmark/core/target.js';
import { WanmarkError } from '#wanmark/errors.js';
import { NO_STATES, type PlanStates } from '#wanmark/plan/states.js';
import { changeChoice } from '#wanmark/system/choice.js';
import { downRules } from '#wanmark/system/down.js';
import { refreshRules, upRules } from '#wanmark/system/install.js';
import { installedNumbers } from '#wanmark/system/installed.js';
import { prepareHost } from '#wanmark/system/prepare.js';

/** The knowledge that the daemon has when it refreshes. */
export interface Refresh {
  /** Words such as `wan1 wan2/6`: a WAN in both families or in one. */
  readonly down?: string;
  /** Current weights, by WAN. When neither `down` nor `weights` is given, the earlier states hold. */
  readonly weights?: Readonly<Record<string, number>>;
  readonly repair?: boolean;
  readonly touched?: readonly string[];
}

export type Request =
  | { readonly verb: 'up'; readonly config: RawConfig }
  | { readonly verb: 'down' }
  | ({ readonly verb: 'refresh' | 'choice' } & Refresh);

export interface Answer {
  /** The exit code that the command would have. */
  readonly code: number;
  readonly said: readonly string[];
  readonly changes: readonly string[];
}

function statesOf({ down, weights }: Refresh): PlanStates | undefined {
  if (down === undefined && weights === undefined) return undefined;
  const words = (down ?? '').split(' ').filter(Boolean);
  const ids = words.flatMap(
    (word) => parseTargetId(word) ?? [`${word}/4` as TargetId, `${word}/6` as TargetId],
  );
  return { ...NO_STATES, down: new Set(ids), weights: new Map(Object.entries(weights ?? {})) };
}

async function act(request: Request): Promise<Answer> {
  const said: string[] = [];
  const changes: string[] = [];
  const listener = {
    said: (line: string) => said.push(line),
    missing: (line: string) => said.push(`missing: ${line}`),
    changed: (command: string) => changes.push(command),
  };
  const done = async (): Promise<number> => {
    if (request.verb === 'down') return downRules(listener);
    if (request.verb === 'up') {
      const raw = request.config;
      const config = parseConfig(raw, installedNumbers());
      const firewall = await prepareHost(config, listener.said);
      return (await upRules({ raw, config, firewall, states: NO_STATES }, listener)).code;
    }
    const states = statesOf(request);
    if (request.verb === 'choice') return (await changeChoice(states ?? NO_STATES)) ? 0 : 1;
    const { repair = true, touched = [] } = request;
    return (await refreshRules({ states: () => states, repair, touched }, listener)).code;
  };
  try {
    return { code: await done(), said, changes };
  } catch (error) {
    if (!(error instanceof WanmarkError)) throw error;
    return { code: error.exitCode, said: [...said, error.message], changes };
  }
}

const [request] = process.argv.slice(2);
if (request !== undefined) {
  const { code, said, changes } = await act(JSON.parse(request));
  for (const command of changes) process.stderr.write(command.replaceAll(/^/gm, '# ').concat('\n'));
  for (const line of said) process.stderr.write(`wanmark: ${line}\n`);
  process.exitCode = code;
} else {
  for await (const line of createInterface(process.stdin)) {
    process.stdout.write(`${JSON.stringify(await act(JSON.parse(line)))}\n`);
  }
}
