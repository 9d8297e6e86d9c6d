import type { SourceLine } from '../source.js';

/** A word of a configuration of VyOS or EdgeOS, with the words below it. A value is a word below its key. */
export class ConfigNode {
  /** The lines that made the node, or anything below it. */
  readonly lines: SourceLine[] = [];
  readonly #children = new Map<string, ConfigNode>();

  /** Adds the words of one line. */
  add(words: readonly string[], at: SourceLine): void {
    let node: ConfigNode = this;
    node.lines.push(at);
    for (const word of words) {
      let child = node.#children.get(word);
      if (child === undefined) {
        child = new ConfigNode();
        node.#children.set(word, child);
      }
      child.lines.push(at);
      node = child;
    }
  }

  get keys(): readonly string[] {
    return [...this.#children.keys()];
  }

  /** The nodes below this one, by their words, in the order of the source. */
  get entries(): readonly (readonly [string, ConfigNode])[] {
    return [...this.#children];
  }

  /** The same, by number. */
  get numbered(): readonly (readonly [string, ConfigNode])[] {
    return this.entries.toSorted(([a], [b]) => Number(a) - Number(b));
  }

  at(...words: readonly string[]): ConfigNode | undefined {
    let node: ConfigNode = this;
    for (const word of words) {
      const child = node.#children.get(word);
      if (child === undefined) return undefined;
      node = child;
    }
    return node;
  }

  has(...words: readonly string[]): boolean {
    return this.at(...words) !== undefined;
  }

  /** The value of a key that has one, which is the last that was given; undefined where it has none. */
  value(...words: readonly string[]): string | undefined {
    return this.at(...words)?.keys.at(-1);
  }

  values(...words: readonly string[]): readonly string[] {
    return this.at(...words)?.keys ?? [];
  }

  /** The first line of what is below the words, or else of this node. */
  lineOf(...words: readonly string[]): SourceLine {
    return (this.at(...words)?.lines ?? this.lines)[0]!;
  }
}
