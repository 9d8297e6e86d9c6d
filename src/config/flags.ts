import { hex } from '../core/mark.js';
import type { Wan } from '../core/wan.js';
import type { Config } from './config.js';

/** The flags that would make the rules of `config`, defaults left out: what a message can tell a user to run. */
export function ruleFlags(config: Config): string {
  const flags = config.wans.map((wan, i) => `--wan ${wanFlag(wan, i + 1)}`);
  if (config.field.mask !== 0xff) flags.push(`--mask ${hex(config.field.mask)}`);
  if (config.queueNum !== 0) flags.push(`--queue-num ${config.queueNum}`);
  for (const dev of config.lan) flags.push(`--lan ${dev}`);
  for (const net of config.exclude) flags.push(`--exclude ${net}`);
  if (config.logKernel) flags.push('--log-kernel');
  return flags.join(' ');
}

function wanFlag(wan: Wan, position: number): string {
  const values: [string, string | number | undefined, string | number | undefined][] = [
    ['dev', wan.dev, undefined],
    ['via', wan.via, wan.via6 === undefined ? 'dev' : undefined],
    ['via6', wan.via6, undefined],
    ['weight', wan.weight, 1],
    ['tier', wan.tier, 1],
    ['mark', wan.mark, position],
    ['nat', wan.nat, 'masquerade'],
    ['nat6', wan.nat6, wan.nat === 'none' ? 'none' : 'masquerade'],
  ];
  const given = values.filter(([, value, standard]) => value !== undefined && value !== standard);
  return [wan.name, ...given.map(([key, value]) => `${key}=${value}`)].join(',');
}
