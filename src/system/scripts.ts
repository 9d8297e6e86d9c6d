import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Config } from '../config/config.js';
import { hex } from '../core/mark.js';
import { type Backend, formatListen, type Service } from '../core/service.js';
import type { Wan } from '../core/wan.js';
import { SystemError } from '../errors.js';
import type { Variant } from './ruleset.js';
import { run, SYSTEM_PATH } from './run.js';

/** Where the bundled scripts are. */
export const SCRIPTS_DIR = fileURLToPath(new URL('../../scripts/', import.meta.url));

/** What `scripts/wanmark.sh` can be asked for. */
export type Verb = 'up' | 'down' | 'print' | 'refresh' | 'check';

/** The scripts' whole interface: environment variables, documented in scripts/wanmark.sh. */
export function scriptEnvironment(config: Config): Record<string, string> {
  return {
    WANMARK_WANS: config.wans.map(wanRecord).join('\n'),
    WANMARK_MASK: hex(config.field.mask),
    WANMARK_QUEUE: String(config.queueNum),
    WANMARK_QUEUES: String(config.queues),
    WANMARK_ENGINE: config.engine,
    WANMARK_KERNEL_MODE: config.kernelMode,
    WANMARK_PER: config.per,
    WANMARK_LAST_RESORT: config.lastResort,
    WANMARK_LAN: config.lan.join(' '),
    WANMARK_EXCLUDE: config.exclude.join(' '),
    WANMARK_LOG_KERNEL: config.logKernel ? '1' : '0',
    WANMARK_SERVICES: config.services.map(serviceRecord).join('\n'),
    WANMARK_BACKENDS: config.services
      .flatMap((service) => service.backends.map((backend) => backendRecord(service, backend)))
      .join('\n'),
    WANMARK_BACKEND_MASK: hex(config.backendField.mask),
    WANMARK_SERVICE_QUEUE: String(config.serviceQueue),
    WANMARK_FORWARD_ACCEPT: config.forwardAccept ? '1' : '0',
  };
}

function wanRecord(wan: Wan): string {
  const { name, dev, via, via6, mark, weight, tier, nat, nat6 } = wan;
  const gateways = [via && `via=${via}`, via6 && `via6=${via6}`].filter(Boolean).join(' ');
  return `name=${name} dev=${dev} ${gateways} mark=${mark} weight=${weight} tier=${tier} nat=${nat} nat6=${nat6}`;
}

function serviceRecord(service: Service): string {
  return `name=${service.name} listen=${formatListen(service)} snat=${service.snat}`;
}

function backendRecord(service: Service, { name, mark, weight }: Backend): string {
  return `service=${service.name} to=${name} mark=${mark} weight=${weight}`;
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
  /** What somebody had taken away, a line for each table, ip rule, route or sysctl. */
  readonly missing: readonly string[];
  /** The commands it ran; none when nothing had changed. */
  readonly changes: readonly string[];
}

/** Whether `up` was run and `down` was not, by the state that the scripts keep. */
export function rulesAreUp(): boolean {
  return existsSync(`${stateDirectory()}/up`);
}

/** The iptables that `up` used. */
export function rulesVariant(): Variant {
  try {
    return readFileSync(`${stateDirectory()}/variant`, 'utf8').trim() === 'legacy' ? 'legacy' : 'nft';
  } catch {
    return 'nft';
  }
}

/** The WANs that the last `up` or refresh found no usable route for, `fibre/4` or `dsl/6`; none where `up` was not run. */
export function unusableWans(): ReadonlySet<string> {
  try {
    return new Set(readFileSync(`${stateDirectory()}/out`, 'utf8').split('\n').filter(Boolean));
  } catch {
    return new Set();
  }
}

function stateDirectory(): string {
  return `${process.env.WANMARK_RUN ?? '/run/wanmark'}/state`;
}

/** What of the WANs is so for the moment only, until the next `up`; what is left out stays as it was said last. */
export interface Moment {
  /** The WANs that get no new connections, as WANMARK_DOWN names them: `fibre`, `dsl:6`. */
  readonly down?: readonly string[] | undefined;
  /** Weights in the place of the configured ones, as WANMARK_WEIGHTS names them: `fibre=0`. */
  readonly weights?: readonly string[] | undefined;
}

export interface Repair {
  /** False: what is missing is not put back, and as long as something is missing nothing is changed (exit code 1). */
  readonly repair: boolean;
  /** Devices that went or lost an address just now: what is missing there was nobody's doing, and is no repair. */
  readonly touched: readonly string[];
}

/**
 * Brings rules that `up` installed in line with the routes, addresses and neighbours of now, and puts back what is missing.
 */
export function refreshRules(moment: Moment, { repair, touched }: Repair): Promise<Refreshed> {
  return runQuietly('refresh', {
    ...momentEnvironment(moment),
    WANMARK_REPAIR: repair ? '1' : '0',
    WANMARK_TOUCHED: touched.join(' '),
  });
}

/**
 * Says what a refresh would put back and changes nothing; exit code 1 when there is something, 2 when the rules cannot be as
 * asked for.
 */
export function checkRules(moment: Moment): Promise<Refreshed> {
  return runQuietly('check', momentEnvironment(moment));
}

function momentEnvironment({ down, weights }: Moment): Record<string, string> {
  return {
    ...(down === undefined ? {} : { WANMARK_DOWN: down.join(' ') }),
    ...(weights === undefined ? {} : { WANMARK_WEIGHTS: weights.join(' ') }),
  };
}

async function runQuietly(
  verb: Verb,
  environment: Readonly<Record<string, string>> = {},
): Promise<Refreshed> {
  const { code, stderr } = await run(['sh', `${SCRIPTS_DIR}wanmark.sh`, verb], environment);
  const lines = stderr.split('\n');
  const after = (prefix: string, all: readonly string[]) =>
    all.filter((line) => line.startsWith(prefix)).map((line) => line.slice(prefix.length));
  const all = after('wanmark: ', lines);
  const said = all.filter((line) => !line.startsWith('missing: '));
  return { code, said, missing: after('missing: ', all), changes: after('# ', lines) };
}
