/** Parts of sh's grammar. */

/** A value on the right of `NAME=`, as sh reads it. A text with `$` of our own is not for this. */
export function quoted(text: string): string {
  return /^[A-Za-z0-9./:_-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** A function with the same lines for its body. */
export function shellFunction(name: string, lines: readonly string[]): string {
  return [`${name}() {`, ...lines.map((line) => `\t${line}`), '}'].join('\n');
}

/** Names of variables, made of names that may have other letters in them. No two are the same. */
export class VariableNames {
  readonly #taken = new Set<string>();

  of(name: string): string {
    const letters = name.replaceAll(/[^A-Za-z0-9]/g, '_').replace(/^(?=\d)/, 'wan');
    let variable = letters;
    for (let i = 2; this.#taken.has(variable); i++) variable = `${letters}_${i}`;
    this.#taken.add(variable);
    return variable;
  }
}

/** `a`, `a and b`, `a, b and c`. */
export function listed(names: readonly string[]): string {
  const last = names.at(-1)!;
  return names.length === 1 ? last : `${names.slice(0, -1).join(', ')} and ${last}`;
}
