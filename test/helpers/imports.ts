import type { Draft, Keys } from '#wanmark/import/draft.js';
import type { Imported } from '#wanmark/import/imported.js';
import { importMwan3 } from '#wanmark/import/mwan3/import.js';
import { readUci } from '#wanmark/import/uci/read.js';
import { importVyos } from '#wanmark/import/vyos/import.js';

/** An import without where each item came from. */
export interface Plain extends Record<Exclude<keyof Draft, 'options'>, readonly Keys[]> {
  readonly options: Keys;
  /** `LINE: text` for each line that a finding is about. */
  readonly notes: readonly string[];
  readonly lost: readonly string[];
}

function plain({ draft, findings }: Imported): Plain {
  const told = (lost: boolean) =>
    findings.all
      .filter((one) => one.lost === lost)
      .flatMap(({ at, also, text }) => [at, ...also].map(({ line }) => `${line}: ${text}`));
  const { options, ...lists } = draft;
  const keys = Object.entries(lists).map(([list, items]) => [list, items.map((item) => item.keys)]);
  return {
    ...(Object.fromEntries(keys) as Omit<Plain, 'options' | 'notes' | 'lost'>),
    options: Object.assign({}, ...options.map((item) => item.keys)),
    notes: told(false),
    lost: told(true),
  };
}

/** @param network the text of /etc/config/network */
export function fromMwan3(text: string, network?: string): Plain {
  const beside = network === undefined ? undefined : readUci('network', network);
  return plain(importMwan3('mwan3', readUci('mwan3', text), beside));
}

export function fromVyos(text: string): Plain {
  return plain(importVyos('config.boot', text));
}

/** A section of UCI: its head, then `key value` for an option, `key += value` for an entry of a list. */
export function section(head: string, ...options: readonly string[]): string {
  const lines = options.map((option) => {
    const [key, value] = option.split(/ \+?=? ?(.*)/s);
    return option.includes(' += ') ? `\tlist ${key} '${value}'` : `\toption ${key} '${value}'`;
  });
  return [`config ${head}`, ...lines, ''].join('\n');
}

/** Interfaces a, b, ... of mwan3, one for each letter, each with a member of its name in metric 1. */
export function uplinks(names: string): string {
  return [...names]
    .map(
      (name) =>
        section(`interface '${name}'`, 'enabled 1') + section(`member 'm_${name}'`, `interface ${name}`),
    )
    .join('');
}

/** Their devices in OpenWrt: dev-a, dev-b, ... */
export function network(names: string): string {
  return [...names]
    .map((name) => section(`interface '${name}'`, `device dev-${name}`, 'proto dhcp'))
    .join('');
}
