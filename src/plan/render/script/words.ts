/** Parts of sh's grammar. */

/** A value for the right side of `NAME=`, as sh reads it. Not for a text that contains variables. */
export function quoted(text: string): string {
  return /^[A-Za-z0-9./:_-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** A shell function whose body is these lines. */
export function shellFunction(name: string, lines: readonly string[]): string {
  return [`${name}() {`, ...lines.map((line) => `\t${line}`), '}'].join('\n');
}

/** Names of variables, made from names that may contain other letters. No two are the same. */
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

/** Joins names as `a`, `a and b`, or `a, b and c`. */
export function listed(names: readonly string[]): string {
  const last = names.at(-1)!;
  return names.length === 1 ? last : `${names.slice(0, -1).join(', ')} and ${last}`;
}
