import { loadAddon } from '../native.js';
import { type Change, parseChanges } from './rtnetlink/changes.js';
import { dumpLinks } from './rtnetlink/links.js';

/** This file's part of the addon (native/js/route_news.h). */
interface NewsAddon {
  /** Throws an Error with `errno`. */
  RouteNews: new (
    groups: readonly number[],
    onReadable: () => void,
  ) => NativeNews;
}

interface NativeNews {
  read(): { readonly messages: Uint8Array; readonly lost: boolean; readonly more: boolean } | undefined;
  close(): void;
}

type RouteChange = Extract<Change, { kind: 'route' }>;

/** A change of a device, an address, a route, a nexthop object or an ip rule. */
export type NewsItem =
  | Extract<Change, { kind: 'link' | 'rule' | 'nexthop' }>
  /** `direct`: the devices by which it needs no gateway. One is empty where it went before it was heard of. */
  | (Omit<RouteChange, 'direct'> & { readonly direct: readonly string[] })
  /** The device is empty where it went before it was heard of. */
  | { readonly kind: 'address'; readonly device: string; readonly lost: boolean }
  /** More happened than could be told. */
  | { readonly kind: 'unknown' };

/** Groups of linux/rtnetlink.h (RTNLGRP_*): IPv4 and IPv6 have one each, but for devices and nexthop objects. */
const GROUPS = { link: [1], address: [5, 9], route: [7, 11], rule: [8, 19], nexthop: [32] } as const;

/** The table that `ip route` shows, RT_TABLE_MAIN. */
export const MAIN_TABLE = 254;

/** Of asm-generic/errno-base.h. */
const EINVAL = 22;

/** The time between two reads, so that a thousand changes a second wake the daemon up fifty times. */
const GATHER_MS = 20;

/** Hears of changes from the kernel, at once and without a program. It does not keep the process alive. */
export class News {
  readonly #onNews: (items: readonly NewsItem[]) => void;
  readonly #onEnd: () => void;
  readonly #names = new Map<number, string>();
  #native: NativeNews | undefined;
  #timer: NodeJS.Timeout | undefined;
  #notBefore = 0;

  /**
   * Subscribes.
   * @param onNews told of all that happened since the last time, in its order
   * @param onEnd told when nothing more can be heard, so that nobody trusts a dead watch
   */
  constructor(
    kinds: readonly (keyof typeof GROUPS)[],
    onNews: (items: readonly NewsItem[]) => void,
    onEnd: () => void,
  ) {
    this.#onNews = onNews;
    this.#onEnd = onEnd;
    try {
      this.#native = this.#subscribe(kinds);
      for (const { index, name } of dumpLinks()) this.#names.set(index, name);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Ends it; nothing is told afterwards. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#native?.close();
    this.#native = undefined;
  }

  #subscribe(kinds: readonly (keyof typeof GROUPS)[]): NativeNews {
    const { RouteNews } = loadAddon<NewsAddon>();
    const groups = kinds.flatMap((kind) => [...GROUPS[kind]]);
    try {
      return new RouteNews(groups, () => this.#readSoon());
    } catch (error) {
      // Linux before 5.3 has neither nexthop objects nor their group.
      const isUnknown = error instanceof Error && 'errno' in error && error.errno === EINVAL;
      if (!isUnknown || !kinds.includes('nexthop')) throw error;
      return this.#subscribe(kinds.filter((kind) => kind !== 'nexthop'));
    }
  }

  #readSoon(): void {
    const waitMs = this.#notBefore - performance.now();
    if (waitMs <= 0) this.#read();
    else this.#timer ??= setTimeout(() => this.#read(), waitMs).unref();
  }

  #read(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    let items: readonly NewsItem[];
    try {
      const read = this.#native?.read();
      if (read === undefined) return;
      items = [
        ...parseChanges(read.messages).map((change) => this.#named(change)),
        ...(read.lost ? [{ kind: 'unknown' } as const] : []),
      ];
    } catch (error) {
      this.#failed(error);
      return;
    }
    this.#notBefore = performance.now() + GATHER_MS;
    if (items.length > 0) this.#onNews(items);
  }

  #named(change: Change): NewsItem {
    if (change.kind === 'link') this.#names.set(change.index, change.device);
    if (change.kind === 'route')
      return { ...change, direct: change.direct.map((index) => this.#name(index)) };
    if (change.kind !== 'address') return change;
    return { kind: 'address', device: this.#name(change.index), lost: change.lost };
  }

  #name(index: number): string {
    return this.#names.get(index) ?? '';
  }

  #failed(error: unknown): void {
    if (!(error instanceof Error && 'errno' in error)) throw error;
    this.stop();
    this.#onEnd();
  }
}
