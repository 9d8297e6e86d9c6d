import { type ParseArgsConfig, parseArgs } from 'node:util';

type Known = NonNullable<ParseArgsConfig['options']>;
type Values<T extends Known> = ReturnType<typeof parseArgs<{ options: T }>>['values'];

/** Runs a program's main function; prints a failure as one line and turns SIGINT and SIGTERM into an exit. */
export function launch(main: () => Promise<void>): void {
  // An exit runs the handlers that restore a changed kernel limit; the default action of a signal does not.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  main().catch((error: Error) => {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  });
}

/**
 * Parses the command line. `--help` prints `usage` and ends the process; so does, with exit code 2 and one line, an option that
 * is not in `known`.
 */
export function options<const T extends Known>(known: T, usage: string): Values<T> {
  if (process.argv.slice(2).some((word) => word === '--help' || word === '-h')) {
    process.stdout.write(usage);
    process.exit(0);
  }
  try {
    return parseArgs<{ options: T }>({ options: known }).values;
  } catch (error) {
    return misused(`${(error as Error).message}; --help lists them`);
  }
}

/** Parses an option's whole number. Ends the process with exit code 2 when it is not one, or below 1. */
export function positive(name: string, text: string): number {
  const value = Number(text);
  return Number.isInteger(value) && value >= 1
    ? value
    : misused(`--${name} must be a whole number from 1 on, not "${text}"`);
}

/** Splits an option at its commas. Ends the process with exit code 2 when a word is not in `known`. */
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
