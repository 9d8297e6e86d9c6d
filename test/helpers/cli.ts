import { Program } from '#wanmark/lab/program.js';
import { MAIN } from './main.js';

/** Starts the built `wanmark` outside of any lab; its standard input is open and is not a terminal. */
export function startCli(...args: string[]): Program {
  return new Program([process.execPath, MAIN, ...args], ['wanmark', ...args]);
}

/** Runs the built `wanmark` outside of any lab until it ends. */
export async function runCli(...args: string[]) {
  const program = startCli(...args);
  program.end();
  const { code, signal } = await program.exited;
  return { code, signal, stdout: program.stdout, stderr: program.stderr };
}
