import { existsSync, statSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { byHash } from '../core/strategies/hash.js';
import { ALIASES, STRATEGIES } from '../core/strategies/registry.js';
import {
  type NamedStrategy,
  NEEDS,
  type Need,
  type Strategy,
  type StrategyContext,
  type StrategyFactory,
} from '../core/strategy.js';
import { UsageError } from '../errors.js';
import { HASH, hashFields } from './hash-fields.js';
import { suggestion } from './nearest.js';
import { checkForms } from './strategy-forms.js';

/** A strategy, and what must be ready before it is asked for the first time. */
export interface LoadedStrategy extends NamedStrategy {
  readonly needs: readonly Need[];
}

/**
 * Loads a built-in strategy by name or alias, or the default export of a user's file. A file's strategy says what it needs by `needs`, an export of its own or a property of the function.
 * @throws UsageError
 */
export async function loadStrategy(name: string, context: StrategyContext): Promise<LoadedStrategy> {
  if (isStrategyFile(name)) return loadFile(name, context);
  const { name: full, factory } = builtIn(name);
  const { needs = [], ignoresWeights } = factory;
  return { name: full, strategy: factory(context), needs, ...(ignoresWeights && { ignoresWeights }) };
}

/** Whether a name is that of a user's file: any with a slash or a file extension. */
export function isStrategyFile(name: string): boolean {
  return /[/]|\.[cm]?js$/.test(name);
}

/** A built-in strategy and its full name. */
export interface BuiltIn {
  readonly name: string;
  readonly factory: StrategyFactory;
}

/**
 * Finds a built-in strategy by name or alias, or makes `hash:src,sport` and the like; `+` may stand for a comma.
 * @throws UsageError
 */
export function builtIn(name: string): BuiltIn {
  if (name.startsWith(HASH)) return { name, factory: byHash(hashFields('strategy', name)) };
  const full = ALIASES.get(name) ?? name;
  const factory = STRATEGIES.get(full);
  if (factory === undefined) {
    const names = [...STRATEGIES.keys(), `${HASH}src,sport`];
    throw new UsageError(`unknown strategy "${name}"${suggestion(name, names)}`);
  }
  return { name: full, factory };
}

async function loadFile(path: string, context: StrategyContext): Promise<LoadedStrategy> {
  const file = resolve(path);
  if (!existsSync(file)) throw new UsageError(`strategy file ${path} does not exist`);
  // Node would wait for somebody who writes into a FIFO, and read a device for ever.
  if (!statSync(file).isFile()) throw new UsageError(`strategy file ${path} is not a regular file`);
  let strategy: unknown;
  let needs: readonly Need[];
  try {
    const module: { default?: unknown; needs?: unknown } = await import(pathToFileURL(file).href);
    if (typeof module.default !== 'function') {
      throw new UsageError(`strategy file ${path} has no default export that is a function`);
    }
    const factory = module.default as StrategyFactory;
    needs = checkNeeds(path, module.needs ?? factory.needs ?? []);
    strategy = factory(context);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`strategy file ${path} does not load: ${firstLine(error)}`, { cause: error });
  }
  if (typeof (strategy as Strategy | undefined)?.pick !== 'function') {
    throw new UsageError(`strategy file ${path}: its function must return an object with pick(flow, wans)`);
  }
  checkForms(path, strategy as Strategy);
  return { name: basename(file), strategy: strategy as Strategy, needs };
}

function checkNeeds(path: string, given: unknown): readonly Need[] {
  const known = NEEDS.map((need) => `"${need}"`).join(', ');
  if (!Array.isArray(given)) {
    throw new UsageError(`strategy file ${path}: needs must be a list, of ${known}`);
  }
  const stranger = given.find((need) => !NEEDS.includes(need));
  if (stranger !== undefined) {
    throw new UsageError(
      `strategy file ${path}: it needs "${stranger}", which does not exist; there is ${known}`,
    );
  }
  return given;
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
}
