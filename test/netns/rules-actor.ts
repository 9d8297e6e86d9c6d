/**
 * Does to the rules what the commands and the daemon do, in a namespace: a request in each line, an answer in each line.
 * It saves the start of `wanmark` for each, which takes longer than its work.
 */
import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import { runCommandLine } from '#wanmark/cli/command-line.js';
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

/** A command line, which is run as by `wanmark` itself. */
export interface CommandRequest {
  readonly args: readonly string[];
}

export interface CommandAnswer {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

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

/** How many hear of each signal, and of what goes wrong with the output. A command that left a listener would be one of many in a program that goes on. */
function listeners(): Readonly<Record<string, number>> {
  const signals = process.eventNames().filter((name) => String(name).startsWith('SIG'));
  const outputs = (['stdout', 'stderr'] as const).map((name) => [name, process[name].listenerCount('error')]);
  return Object.fromEntries([
    ...signals.map((name) => [String(name), process.listenerCount(name)]),
    ...outputs,
  ]);
}

/** Runs a command line, with what it writes caught. */
async function command({ args }: CommandRequest): Promise<CommandAnswer> {
  const written = { stdout: '', stderr: '' };
  const restore = (['stdout', 'stderr'] as const).map((name) => {
    const stream = process[name];
    const write = stream.write;
    stream.write = (text: string | Uint8Array) => {
      written[name] += text;
      return true;
    };
    return () => {
      stream.write = write;
    };
  });
  process.exitCode = 0;
  const heard = listeners();
  await runCommandLine([...args]);
  for (const each of restore) each();
  assert.deepEqual(listeners(), heard, `listeners that \`${args.join(' ')}\` has left`);
  const status = Number(process.exitCode);
  process.exitCode = 0;
  return { status, ...written };
}

for await (const line of createInterface(process.stdin)) {
  const request = JSON.parse(line) as Request | CommandRequest;
  const answer = 'args' in request ? await command(request) : await act(request);
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
