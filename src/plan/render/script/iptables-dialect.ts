import type { PlanConfig } from '../../../config/config.js';
import type { Family } from '../../../core/family.js';
import { IPTABLES_CHANGING } from './changing.js';
import { CHOOSE_BY, chooseFunction } from './choosing.js';
import type { Dialect } from './dialect.js';
import type { ScriptFamily } from './family.js';
import { IPTABLES_FINDING } from './finding.js';
import { ScriptTables } from './tables.js';

/** The iptables that a script calls, for each family. */
export type Programs = Readonly<Record<Family, string>>;

/** A script's rules by iptables: tables of their own for each family. */
export class IptablesDialect implements Dialect {
  readonly needs = 'iptables';
  readonly signs = 'chains called WANMARK, jumps with the comment wanmark';
  readonly #tables: ReadonlyMap<Family, ScriptTables>;
  readonly settings: Dialect['settings'];
  readonly programs: readonly string[];
  readonly removal: readonly string[];
  readonly library: Dialect['library'];

  constructor({ rules }: Pick<PlanConfig, 'rules'>, families: readonly ScriptFamily[], programs: Programs) {
    this.#tables = new Map(families.map((own) => [own.family, new ScriptTables(own)]));
    this.settings = this.#each((family) => [toolOf(family), programs[family]] as const);
    this.programs = this.#each((family) =>
      ['', '-save', '-restore'].map((end) => `"$${toolOf(family)}${end}"`),
    ).flat();
    this.removal = [
      `_nothing='*filter
*mangle
*nat'`,
      ...this.#each((family) => `put ${family} ${variable(family)} '' '' "$_nothing"`),
    ];
    this.library = {
      finding: IPTABLES_FINDING,
      choosing: [chooseFunction(rules.kernelMode), CHOOSE_BY],
      changing: IPTABLES_CHANGING,
    };
  }

  functions(family: Family): string[] {
    return [this.#tables.get(family)!.function()];
  }

  common(): string[] {
    return [];
  }

  finders(family: Family): string[] {
    return this.#tables.get(family)!.finders();
  }

  wanted(family?: Family): string[] {
    if (family === undefined) return [];
    const { asksForIpsec } = this.#tables.get(family)!;
    return [
      `tables${family}=$(print_tables${family}${asksForIpsec ? ` | as_matched ${variable(family)}` : ''})`,
    ];
  }

  test(): string[] {
    return this.#each((family) => `test_tables ${variable(family)} "$tables${family}"`);
  }

  remember(family?: Family): string[] {
    return family === undefined ? [] : [`old_tables${family}=$(ours ${variable(family)})`];
  }

  note(): string[] {
    return this.#each((family) => `note_tables ${variable(family)} "$tables${family}"`);
  }

  put(prefix: string): string[] {
    return this.#each((family) => {
      const what = ['routes', 'rules', 'tables'].map((list) => `"$${prefix}${list}${family}"`);
      return `put ${family} ${variable(family)} ${what.join(' ')}`;
    });
  }

  #each<T>(of: (family: Family) => T): T[] {
    return [...this.#tables.keys()].map(of);
  }
}

/** The variable that holds the name of a family's iptables. */
function toolOf(family: Family): string {
  return family === 4 ? 'iptables' : 'ip6tables';
}

function variable(family: Family): string {
  return `"$${toolOf(family)}"`;
}
