import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ALIASES, STRATEGIES } from '../core/strategies/registry.js';
import type { Strategy, StrategyContext, StrategyFactory } from '../core/strategy.js';
import { UsageError } from '../errors.js';
import { suggestion } from './nearest.js';

/** A strategy ready to be asked, and the name the log gives it. */
export interface NamedStrategy {
  readonly name: string;
  readonly strategy: Strategy;
}

/**
 * A built-in by name or alias, or the default export of a user's file: anything with a slash or an ending.
 * @param context handed on as it is, so that a getter can notice who reads the connections (see `Counts`)
 * @throws UsageError
 */
export async function loadStrategy(name: string, context: StrategyContext): Promise<NamedStrategy> {
  if (/[/]|\.[cm]?js$/.test(name)) return loadFile(name, context);
  const full = ALIASES.get(name) ?? name;
  const factory = STRATEGIES.get(full);
  if (factory === undefined) {
    throw new UsageError(`unknown strategy "${name}"${suggestion(name, STRATEGIES.keys())}`);
  }
  return { name: full, strategy: factory(context) };
}

async function loadFile(path: string, context: StrategyContext): Promise<NamedStrategy> {
  const file = resolve(path);
  if (!existsSync(file)) throw new UsageError(`strategy file ${path} does not exist`);
  let strategy: unknown;
  try {
    const module: { default?: unknown } = await import(pathToFileURL(file).href);
    if (typeof module.default !== 'function') {
      throw new UsageError(`strategy file ${path} has no default export that is a function`);
    }
    strategy = (module.default as StrategyFactory)(context);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`strategy file ${path} does not load: ${firstLine(error)}`, { cause: error });
  }
  if (typeof (strategy as Strategy | undefined)?.pick !== 'function') {
    throw new UsageError(`strategy file ${path}: its function must return an object with pick(flow, wans)`);
  }
  return { name: basename(file), strategy: strategy as Strategy };
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
}
