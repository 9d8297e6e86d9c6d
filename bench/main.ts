import { type ParseArgsConfig, parseArgs } from 'node:util';

type Known = NonNullable<ParseArgsConfig['options']>;
type Values<T extends Known> = ReturnType<typeof parseArgs<{ options: T }>>['values'];

/** Runs a program's main function: a failure is one line, and a signal an exit, which puts back what was changed. */
export function launch(main: () => Promise<void>): void {
  // An exit runs what puts a limit of the kernel back; the default action of a signal does not.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  main().catch((error: Error) => {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  });
}

/** The command line's options. Ends the process with exit code 2 when there are others. */
export function options<const T extends Known>(known: T): Values<T> {
  try {
    return parseArgs<{ options: T }>({ options: known }).values;
  } catch (error) {
    return misused((error as Error).message);
  }
}

/** A whole number of an option. Ends the process with exit code 2 when it is none, or below 1. */
export function positive(name: string, text: string): number {
  const value = Number(text);
  return Number.isInteger(value) && value >= 1
    ? value
    : misused(`--${name} must be a whole number from 1 on, not "${text}"`);
}

/** Words of an option, with commas between. Ends the process with exit code 2 when one is not of `known`. */
export function words<T extends string>(name: string, text: string, known: readonly T[]): T[] {
  return text.split(',').map((word) => {
    const found = known.find((one) => one === word);
    return found ?? misused(`--${name} must be of ${known.join(',')}, and "${word}" is not`);
  });
}

function misused(what: string): never {
  process.stderr.write(`${what}\n`);
  process.exit(2);
}
