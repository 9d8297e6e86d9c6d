import { fileURLToPath } from 'node:url';
import { Program } from '#wanmark/lab/program.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** Starts the built `wanmark` here, outside of any lab; its standard input is open and no terminal. */
export function startCli(...args: string[]): Program {
  return new Program([process.execPath, MAIN, ...args], ['wanmark', ...args]);
}

/** Runs it to its end. */
export async function runCli(...args: string[]) {
  const program = startCli(...args);
  program.end();
  const { code, signal } = await program.exited;
  return { code, signal, stdout: program.stdout, stderr: program.stderr };
}
