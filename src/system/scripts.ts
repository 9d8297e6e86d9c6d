import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Config } from '../config/config.js';
import { hex } from '../core/mark.js';
import type { Wan } from '../core/wan.js';
import { SystemError } from '../errors.js';
import { run, SYSTEM_PATH } from './run.js';

/** Where the bundled scripts are. */
export const SCRIPTS_DIR = fileURLToPath(new URL('../../scripts/', import.meta.url));

/** What `scripts/wanmark.sh` can be asked for. */
export type Verb = 'up' | 'down' | 'print' | 'refresh';

/** The scripts' whole interface: environment variables, documented in scripts/lib.sh. */
export function scriptEnvironment(config: Config): Record<string, string> {
  return {
    WANMARK_WANS: config.wans.map(wanRecord).join('\n'),
    WANMARK_MASK: hex(config.field.mask),
    WANMARK_QUEUE: String(config.queueNum),
    WANMARK_LAN: config.lan.join(' '),
    WANMARK_EXCLUDE: config.exclude.join(' '),
    WANMARK_LOG_KERNEL: config.logKernel ? '1' : '0',
  };
}

function wanRecord(wan: Wan): string {
  const { name, dev, via, via6, mark, weight, tier, nat, nat6 } = wan;
  const gateways = [via && `via=${via}`, via6 && `via6=${via6}`].filter(Boolean).join(' ');
  return `name=${name} dev=${dev} ${gateways} mark=${mark} weight=${weight} tier=${tier} nat=${nat} nat6=${nat6}`;
}

/**
 * Runs `scripts/wanmark.sh VERB` with our stdout and stderr and returns its exit code. Ctrl-C reaches the script
 * through the terminal's process group; it rolls back by itself, and we stay to see it do so.
 */
export function runScript(verb: Verb, environment: Readonly<Record<string, string>>): Promise<number> {
  const stay = () => undefined;
  process.on('SIGINT', stay);
  return new Promise<number>((resolve, reject) => {
    const child = spawn('sh', [`${SCRIPTS_DIR}wanmark.sh`, verb], {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ...environment, PATH: SYSTEM_PATH },
    });
    const pass = () => child.kill('SIGTERM');
    process.once('SIGTERM', pass);
    child.on('error', (error) => reject(new SystemError('NO_SHELL', `cannot run sh: ${error.message}`)));
    child.on('close', (code) => {
      process.off('SIGINT', stay);
      process.off('SIGTERM', pass);
      resolve(code ?? 1);
    });
  });
}

/** What a refresh did. */
export interface Refreshed {
  readonly code: number;
  /** What the script said, line by line, for example that a WAN cannot be used at the moment. */
  readonly said: readonly string[];
  /** The commands it ran; none when nothing had changed. */
  readonly changes: readonly string[];
}

/** Whether `up` was run and `down` was not, by the state that the scripts keep. */
export function rulesAreUp(): boolean {
  return existsSync(`${process.env.WANMARK_RUN ?? '/run/wanmark'}/state/up`);
}

/** Brings rules that `up` installed in line with the routes, addresses and neighbours of now. */
export async function refreshRules(): Promise<Refreshed> {
  const { code, stderr } = await run(['sh', `${SCRIPTS_DIR}wanmark.sh`, 'refresh']);
  const lines = stderr.split('\n').filter((line) => line !== '');
  const said = lines
    .filter((line) => line.startsWith('wanmark: '))
    .map((line) => line.slice('wanmark: '.length));
  return { code, said, changes: lines.filter((line) => line.startsWith('# ')).map((line) => line.slice(2)) };
}
