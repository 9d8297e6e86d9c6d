/** An iptables table that obeys iptables-restore --noflush, and refuses what the kernel would refuse. */
export class TableModel {
  /** Rules by chain, each as `-A` and its text. */
  readonly #chains = new Map<string, string[]>();

  constructor(bases: readonly string[]) {
    for (const base of bases) this.#chains.set(base, []);
  }

  /** Carries out lines of iptables-restore. @throws Error on a line that cannot be carried out */
  apply(lines: readonly string[]): void {
    for (const line of lines) this.#apply(line);
  }

  /** The table in the form of iptables-save, without counters and base chains. */
  lines(): string[] {
    const own = [...this.#chains.keys()].filter((chain) => !isBase(chain));
    return [...own.map((chain) => `:${chain} - [0:0]`), ...[...this.#chains.values()].flat()];
  }

  rules(chain: string): readonly string[] {
    return this.#of(chain);
  }

  #apply(line: string): void {
    const [verb = '', chain = '', ...rest] = line.split(' ');
    if (verb.startsWith(':')) {
      this.#chains.set(verb.slice(1), []);
      return;
    }
    const rules = this.#of(chain);
    switch (verb) {
      case '-A':
        this.#checkTarget(rest);
        rules.push(line);
        return;
      case '-I': {
        const [place = '', ...words] = rest;
        this.#checkTarget(words);
        rules.splice(Number(place) - 1, 0, ['-A', chain, ...words].join(' '));
        return;
      }
      case '-D': {
        const at = rules.indexOf(['-A', chain, ...rest].join(' '));
        if (at < 0) throw new Error(`there is no such rule: ${line}`);
        rules.splice(at, 1);
        return;
      }
      case '-F':
        rules.length = 0;
        return;
      case '-X':
        if (rules.length > 0 || this.#isUsed(chain)) throw new Error(`cannot be deleted: ${line}`);
        this.#chains.delete(chain);
        return;
      default:
        throw new Error(`not understood: ${line}`);
    }
  }

  #of(chain: string): string[] {
    const rules = this.#chains.get(chain);
    if (rules === undefined) throw new Error(`there is no chain ${chain}`);
    return rules;
  }

  #checkTarget(words: readonly string[]): void {
    const target = targetOf(words);
    if (target?.startsWith('WANMARK')) this.#of(target);
  }

  #isUsed(chain: string): boolean {
    return [...this.#chains.values()].flat().some((rule) => targetOf(rule.split(' ')) === chain);
  }
}

function isBase(chain: string): boolean {
  return /^[A-Z]+$/.test(chain) && !chain.startsWith('WANMARK');
}

function targetOf(words: readonly string[]): string | undefined {
  const at = words.findIndex((word) => word === '-j' || word === '-g');
  return at < 0 ? undefined : words[at + 1];
}
