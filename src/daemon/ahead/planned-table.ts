import type { Candidate } from '../../core/candidate.js';
import type { MarkField } from '../../core/mark.js';
import type { Ahead } from '../../core/pool.js';
import type { TableForm } from '../../core/strategy.js';
import { fillTable, PLACES } from '../../core/table.js';
import type { PlanKey, Plans } from '../../queue/plans.js';

/** How many places are filled at a time: a millisecond's work, for which nothing else waits long. */
const SLICE = 2048;

/** The tables that were filled, by their candidates, as both families have the same ones, and a WAN may come back. */
const FILLED = new WeakMap<TableForm, WeakMap<readonly Candidate[], Uint16Array>>();

/** The choices of a pool for one family by a hash of the flow, written down for the queues. */
export class PlannedTable {
  readonly #plans: Plans;
  readonly #key: PlanKey;
  #ended = false;
  #tellsSome = false;

  /** Packets are asked about until the table is full, which takes some turns of the event loop. */
  constructor(
    plans: Plans,
    key: PlanKey,
    field: MarkField,
    { list, members, table }: Ahead & { readonly table: TableForm },
    onFault: (error: unknown) => void,
  ) {
    this.#plans = plans;
    this.#key = key;
    const marks = members.map(({ configured }) => field.encode(configured.mark));
    const write = (places: Uint16Array) => {
      plans.setTable(
        key,
        Uint32Array.from(places, (index) => marks[index]!),
        table.fields,
      );
      plans.tellSome(key, this.#tellsSome);
    };
    let known = FILLED.get(table);
    if (known === undefined) {
      known = new WeakMap();
      FILLED.set(table, known);
    }
    const filled = known.get(list);
    if (filled !== undefined) {
      write(filled);
      return;
    }
    void this.#fill(table, list).then((places) => {
      if (places === undefined) return;
      known.set(list, places);
      write(places);
    }, onFault);
  }

  /** Has some or each of the choices told. */
  tellSome(some: boolean): void {
    this.#tellsSome = some;
    this.#plans.tellSome(this.#key, some);
  }

  /** Takes the plan away, so that packets are asked about. */
  end(): void {
    this.#ended = true;
    this.#plans.clear(this.#key);
  }

  /** @returns undefined where it is not wanted any more */
  async #fill(table: TableForm, list: readonly Candidate[]): Promise<Uint16Array | undefined> {
    const places = new Uint16Array(PLACES);
    for (let from = 0; from < PLACES; from += SLICE) {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#ended) return undefined;
      fillTable(table, list, places, from, Math.min(PLACES, from + SLICE));
    }
    return places;
  }
}
