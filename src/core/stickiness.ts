import { FAMILIES, type Family } from './family.js';
import type { Flow } from './flow.js';

/** Who keeps its member: a client, or each pair of a client and a server. */
export type StickyBy = 'src' | 'src+dst';

/** How a pool keeps those who come again on the member that they had. */
export interface Sticky {
  readonly by: StickyBy;
  /** How long after the last new connection, in milliseconds. */
  readonly forMs: number;
  /**
   * How many times its share of the clients a member may have before they leave it, above 1; undefined: they never do.
   */
  readonly bound: number | undefined;
}

/** How many clients of one family are remembered; each takes some 150 bytes. */
export const MOST_CLIENTS = 65_536;

/** How often a table has used and changed what it remembers. */
export interface StickyCounts {
  /** Connections that went by the member that their client had. */
  readonly hits: number;
  /** Clients that got another member than they had. */
  readonly moves: number;
  /** Clients that were forgotten before their time, to make room. */
  readonly evictions: number;
}

/** A client with its member. */
export interface KeptClient {
  /** See {@link stickyKey}. */
  readonly key: string;
  /** The member's name. */
  readonly member: string;
  /** How much of its time is left, in milliseconds. */
  readonly leftMs: number;
}

/**
 * Told of a client that is new, has another member, or came again after a tenth of its time or more: often enough for a
 * copy that is to be right, and seldom enough to be cheap. Also of one that was forgotten before its time, without a
 * member.
 */
export type StickyListener = (key: string, member: string | undefined) => void;

/** The key of a flow's client: its address, or the IPv6 network in which it changes its address; or that and the server. */
export function stickyKey(flow: Pick<Flow, 'srcKey' | 'dstKey'>, by: StickyBy): string {
  return by === 'src' ? flow.srcKey : flow.srcKey + flow.dstKey;
}

interface Entry {
  readonly member: string;
  /** When it is forgotten. */
  until: number;
  /** When the listener was last told. */
  told: number;
}

/** The members that clients of one family have had lately. Bounded: whoever came longest ago makes room. */
export class StickyTable {
  /** All have the same time, so whoever stands first is forgotten first. */
  readonly #entries = new Map<string, Entry>();
  /**
   * Goes through the entries once: all that it has passed are gone, or stand behind. One that began anew for each eviction would
   * have to pass every place that became empty since the map last made room, tens of thousands of them.
   */
  #order = this.#entries.entries();
  /** The entry that it came to last, while that stands where it stood. */
  #first: { readonly key: string; readonly entry: Entry; readonly until: number } | undefined;
  readonly #clients = new Map<string, number>();
  #counts = { hits: 0, moves: 0, evictions: 0 };
  /** When the next one may be to be forgotten, at the earliest. */
  #next = Number.POSITIVE_INFINITY;
  readonly #forMs: number;
  readonly #now: () => number;
  readonly #most: number;
  /** See {@link StickyListener}. */
  listener: StickyListener | undefined;

  constructor(forMs: number, now: () => number, most = MOST_CLIENTS) {
    this.#forMs = forMs;
    this.#now = now;
    this.#most = most;
  }

  get counts(): StickyCounts {
    return this.#counts;
  }

  /** How many clients are remembered. */
  get size(): number {
    this.#forgetOld();
    return this.#entries.size;
  }

  /** How many clients a member has. */
  clients(member: string): number {
    this.#forgetOld();
    return this.#clients.get(member) ?? 0;
  }

  /** The member that a client had; undefined where it is not known. */
  get(key: string): string | undefined {
    this.#forgetOld();
    return this.#entries.get(key)?.member;
  }

  /** Notes that a client made a connection by a member, so its time begins anew. */
  keep(key: string, member: string): void {
    this.#forgetOld();
    const now = this.#now();
    this.#forgetOld(now);
    const known = this.#entries.get(key);
    const until = now + this.#forMs;
    if (known?.member === member) {
      this.#counts.hits++;
      known.until = until;
      // Behind all others.
      this.#entries.delete(key);
      this.#entries.set(key, known);
      if (now - known.told < this.#forMs / 10) return;
      known.told = now;
    } else {
      if (known !== undefined) this.#counts.moves++;
      this.#put(key, { member, until, told: now });
    }
    this.listener?.(key, member);
  }

  /** Takes up what somebody else has remembered; a client that is known stays as it is. */
  restore(clients: readonly KeptClient[]): void {
    const now = this.#now();
    this.#forgetOld(now);
    for (const { key, member, leftMs } of clients.toSorted((a, b) => a.leftMs - b.leftMs)) {
      if (this.#entries.has(key)) continue;
      this.#put(key, { member, until: now + Math.min(leftMs, this.#forMs), told: now });
    }
    const inOrder = [...this.#entries].toSorted(([, a], [, b]) => a.until - b.until);
    this.#entries.clear();
    for (const [key, entry] of inOrder) this.#entries.set(key, entry);
    this.#order = this.#entries.entries();
    this.#first = undefined;
  }

  /** Takes up all that another table has, and goes on with its counts. */
  succeed(table: StickyTable): void {
    this.restore(table.all());
    this.#counts = { ...table.counts };
  }

  /** All that is remembered. */
  all(): readonly KeptClient[] {
    return [...this.each()];
  }

  /** All that is remembered, one by one. A client that comes meanwhile may be among them again, and the later one holds. */
  *each(): Generator<KeptClient> {
    this.#forgetOld();
    for (const [key, { member, until }] of this.#entries) yield { key, member, leftMs: until - this.#now() };
  }

  #put(key: string, entry: Entry): void {
    this.#delete(key);
    const oldest = this.#entries.size >= this.#most ? this.#oldest() : undefined;
    if (oldest !== undefined) {
      this.#delete(oldest.key);
      this.#counts.evictions++;
      this.listener?.(oldest.key, undefined);
    }
    this.#entries.set(key, entry);
    this.#next = Math.min(this.#next, entry.until);
    this.#clients.set(entry.member, (this.#clients.get(entry.member) ?? 0) + 1);
  }

  #delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#clients.set(entry.member, this.#clients.get(entry.member)! - 1);
  }

  /** Who is to be forgotten first; undefined where nobody is remembered. */
  #oldest(): { readonly key: string; readonly until: number } | undefined {
    while (this.#entries.size > 0) {
      const first = this.#first;
      if (
        first !== undefined &&
        first.entry.until === first.until &&
        this.#entries.get(first.key) === first.entry
      )
        return first;
      const next = this.#order.next();
      // Once it came to the end, it would stay there.
      if (next.done) this.#order = this.#entries.entries();
      else this.#first = { key: next.value[0], entry: next.value[1], until: next.value[1].until };
    }
    return undefined;
  }

  #forgetOld(now = this.#now()): void {
    if (now < this.#next) return;
    for (let oldest = this.#oldest(); oldest !== undefined; oldest = this.#oldest()) {
      this.#next = oldest.until;
      if (oldest.until > now) return;
      this.#delete(oldest.key);
    }
    this.#next = Number.POSITIVE_INFINITY;
  }
}

/** The tables of a pool: one for each family, since a member may carry only one of them. */
export class Stickiness {
  readonly sticky: Sticky;
  readonly tables: Readonly<Record<Family, StickyTable>>;

  constructor(sticky: Sticky, now: () => number, most?: number) {
    this.sticky = sticky;
    const table = () => new StickyTable(sticky.forMs, now, most);
    this.tables = { 4: table(), 6: table() };
  }

  /** The counts of both families. */
  counts(): StickyCounts {
    const all = FAMILIES.map((family) => this.tables[family].counts);
    const sum = (count: (one: StickyCounts) => number) => all.reduce((total, one) => total + count(one), 0);
    return {
      hits: sum(({ hits }) => hits),
      moves: sum(({ moves }) => moves),
      evictions: sum(({ evictions }) => evictions),
    };
  }

  /** How many clients a member has, or with undefined all members together. */
  clients(member?: string): number {
    return FAMILIES.reduce((sum, family) => {
      const table = this.tables[family];
      return sum + (member === undefined ? table.size : table.clients(member));
    }, 0);
  }

  /**
   * Whether a member has more clients than its bound allows. Rounded up, so that few clients are not sent around for
   * nothing.
   * @param share the member's share of new clients, 0 to 1
   * @param more clients that are to come to it
   */
  isFull(family: Family, member: string, share: number, more = 0): boolean {
    const { bound } = this.sticky;
    if (bound === undefined) return false;
    const table = this.tables[family];
    return table.clients(member) + more > Math.ceil(bound * share * table.size);
  }
}
