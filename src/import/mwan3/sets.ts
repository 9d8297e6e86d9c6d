import type { Item } from '../draft.js';
import { Names } from '../names.js';
import type { Section } from '../uci/section.js';

/** The sets that rules ask for, each once. */
export class Sets {
  readonly #items: Item[] = [];
  readonly #names = new Names([]);
  readonly #external = new Map<string, string>();

  get items(): readonly Item[] {
    return this.#items;
  }

  /** @returns the name of a set that is filled by others */
  external(ipset: string, section: Section): string {
    const known = this.#external.get(ipset);
    if (known !== undefined) return known;
    const name = this.#names.take(ipset, '-set');
    this.#external.set(ipset, name);
    this.#items.push({
      keys: { name, external: name === ipset ? true : ipset },
      from: [section.lineOf('ipset')],
      remark: 'filled by others, as it was',
    });
    return name;
  }

  /** @returns the name of a set of networks */
  listed(net: readonly string[], section: Section): string {
    const name = this.#names.take(section.name ?? 'networks', '-set');
    this.#items.push({ keys: { name, net: [...net] }, from: [section.at], remark: 'its dest_ip' });
    return name;
  }
}
