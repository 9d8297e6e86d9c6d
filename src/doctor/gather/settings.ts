import { readFileSync } from 'node:fs';
import type { Config } from '../../config/config.js';
import { blindDevices } from '../../system/source-check.js';
import type { SettingFacts } from '../facts.js';

/** Reads the settings of the kernel that the rules depend on. @param read the text of a file below /proc/sys/net */
export function readSettings(
  { wans, rules }: Pick<Config, 'wans' | 'rules'>,
  read: (file: string) => string = readNet,
): SettingFacts {
  const number = (file: string) => {
    try {
      return Number(read(file));
    } catch {
      return undefined;
    }
  };
  const switchOf = (file: string) => {
    const value = number(file);
    return value === undefined ? undefined : value !== 0;
  };
  const forwards = { 4: switchOf('ipv4/ip_forward'), 6: switchOf('ipv6/conf/all/forwarding') };
  const devices = [...new Set([...wans.map(({ dev }) => dev), ...rules.lan])];
  const count = number('netfilter/nf_conntrack_count');
  const max = number('netfilter/nf_conntrack_max');
  return {
    forwards,
    closed: forwards[4] ? devices.filter((dev) => switchOf(`ipv4/conf/${dev}/forwarding`) === false) : [],
    blind: blindDevices(new Set(wans.map(({ dev }) => dev))),
    conntrack: count === undefined || max === undefined ? undefined : { count, max },
  };
}

function readNet(file: string): string {
  return readFileSync(`/proc/sys/net/${file}`, 'utf8').trim();
}
