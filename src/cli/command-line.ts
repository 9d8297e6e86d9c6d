import yargs from 'yargs';
import { printableLines } from '../core/printable.js';
import { WanmarkError } from '../errors.js';
import { MAIN } from '../paths.js';
import { isExhausted } from '../system/exhausted.js';
import { ownVersion } from '../system/version.js';
import { outliveOutput } from './broken-output.js';
import { loadCommands } from './commands.js';
import { runAsOwner } from './owner.js';
import { complain } from './say.js';
import { rejectSwitchValues, usageError } from './usage.js';

/** Runs the one command line of a program; see {@link runCommandLine}. */
export async function runProgram(args: string[]): Promise<void> {
  // Our files say what root does, so nobody else may write them, whatever umask the program was started with.
  process.umask(process.umask(0o022) | 0o022);
  outliveOutput(args[0]);
  await runCommandLine(args);
}

/**
 * Runs one command line and sets the exit code of this process: 0 done, 1 failed, 2 wrong usage or configuration.
 * An error is a line on standard error.
 * @throws what isExhausted() knows, and what the loader of modules throws
 */
export async function runCommandLine(args: string[]): Promise<void> {
  try {
    await run(args);
  } catch (error) {
    // The entry tells it, since that may happen before this file is loaded.
    if (isExhausted(error) || (error as { code?: unknown }).code === 'ERR_MODULE_NOT_FOUND') throw error;
    const expected = error instanceof WanmarkError;
    // A bug is shown with its stack; a mistake or a failed machine is one line.
    if (expected) complain(error.message, 'err');
    else process.stderr.write(printableLines(`wanmark: ${(error as Error)?.stack ?? String(error)}\n`));
    process.exitCode = expected ? error.exitCode : 1;
  }
}

async function run(args: string[]): Promise<void> {
  rejectSwitchValues(args);
  const code = await runAsOwner(args, [process.execPath, ...process.execArgv, MAIN, ...args]);
  if (code !== undefined) {
    process.exitCode = code;
    return;
  }
  const commands = await loadCommands(args);
  let parser = yargs(args)
    .scriptName('wanmark')
    .usage('$0 COMMAND [OPTIONS]\n\nBalances connections over several uplinks.')
    .version(ownVersion())
    // What yargs itself says is taken apart (usage.ts) and stands among our own words.
    .detectLocale(false)
    .parserConfiguration({ 'boolean-negation': false, 'camel-case-expansion': false })
    .strict()
    .demandCommand(1, 'no command given; try wanmark --help')
    .wrap(Math.min(110, process.stdout.columns ?? 110))
    .exitProcess(false)
    .fail((complaint, error) => {
      // yargs' own errors are mistakes in the command line, too.
      throw error === undefined || error.name === 'YError' ? usageError(complaint, args, commands) : error;
    });
  for (const command of commands) parser = parser.command(command);
  await parser.parseAsync();
}
