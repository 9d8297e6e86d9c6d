import type { PlanConfig } from '../../../config/config.js';
import type { Family } from '../../../core/family.js';
import type { Plan } from '../../plan.js';
import { TABLE } from '../nft/names.js';
import { NFT_CHANGING } from './changing.js';
import type { Dialect } from './dialect.js';
import type { ScriptFamily } from './family.js';
import { nftChoosing } from './nft-choosing.js';
import { NFT_FINDING } from './nft-finding.js';
import { NftScriptTable } from './nft-table.js';

/** A script's rules by nft: one table for both families. */
export class NftDialect implements Dialect {
  readonly needs = 'nft 0.9.6 or newer';
  readonly signs = `the table ${TABLE}`;
  readonly zone = `# nft takes the hours of a rule to be of the time zone, and ours are in UTC.
TZ=UTC
export TZ
`;
  readonly settings = [];
  readonly programs = ['nft'];
  readonly removal: readonly string[];
  readonly library: Dialect['library'];
  readonly #families: readonly Family[];
  readonly #table: NftScriptTable;

  constructor(config: PlanConfig, plan: Plan, families: readonly ScriptFamily[]) {
    this.#families = families.map(({ family }) => family);
    this.#table = new NftScriptTable(config, plan, families);
    this.removal = ["put_table ''", ...this.#families.map((family) => `drop_routing ${family} '' ''`)];
    this.library = {
      finding: NFT_FINDING,
      choosing: nftChoosing(config.rules.kernelMode),
      changing: NFT_CHANGING,
    };
  }

  functions(): string[] {
    return [];
  }

  common(): string[] {
    return [this.#table.function()];
  }

  finders(family: Family): string[] {
    return this.#table.finders(family);
  }

  wanted(family?: Family): string[] {
    if (family !== undefined) return [];
    return [`table=$(print_table${this.#table.asksForIpsec ? ' | as_matched' : ''})`];
  }

  test(): string[] {
    return [...(this.#table.asksDaemon ? ['need_queue'] : []), 'test_table "$table"'];
  }

  remember(family?: Family): string[] {
    return family === undefined ? ['old_table=$(table_there)'] : [];
  }

  note(): string[] {
    return [];
  }

  put(prefix: string): string[] {
    const routing = (verb: string) =>
      this.#families.map(
        (family) => `${verb} ${family} "$${prefix}routes${family}" "$${prefix}rules${family}"`,
      );
    return [...routing('add_routing'), `put_table "$${prefix}table"`, ...routing('drop_routing')];
  }
}
