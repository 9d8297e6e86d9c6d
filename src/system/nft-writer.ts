import { getSystemErrorMap } from 'node:util';
import type { Family } from '../core/family.js';
import type { HashField } from '../core/flow-hash.js';
import { SystemError } from '../errors.js';
import { loadAddon } from '../native.js';
import { OWN_TRANSACTIONS } from './own-transactions.js';
import { forEachAttribute, readText } from './rtnetlink/attributes.js';
import { forEachMessage } from './rtnetlink/messages.js';

/**
 * Choices that are made ahead, as nftables keeps them: a chain whose only rule takes the next place in turn, or the place of a
 * hash, and goes to the chain that this leads to. Flushing the chain takes all of it away.
 */
export interface NftChoices {
  readonly table: string;
  /** The chain of the rule; any other rule of it goes. Without places it has none. */
  readonly chain: string;
  /** The chains that a place may lead to. */
  readonly targets: readonly string[];
  /** For each place the index of its target; where they are taken in turn, the first one is the next. */
  readonly places: Uint16Array;
  /**
   * What of a packet says which place it has, and of which family packets are; undefined: places are taken in turn. It is the
   * kernel's own hash, `jhash FIELDS mod N seed 0x1`, by places of equal size in order. Protocols without ports have a place
   * without them.
   */
  readonly hash?: { readonly family: Family; readonly fields: readonly HashField[] } | undefined;
}

interface NativeWriter {
  write(family: number, choices: readonly NftChoices[]): void;
  counters(family: number, table: string): Promise<Uint8Array>;
  close(): void;
}

interface NativeError extends Error {
  readonly errno: number;
  /** What the kernel refuses; absent where the socket could not be opened. */
  readonly step?: 'places' | 'rule' | 'transaction' | 'counters';
}

/** Of linux/netfilter/nf_tables.h: NFT_MSG_NEWOBJ, and attributes of an object and of a counter, in network order. */
const NFT_NEWOBJ = (10 << 8) | 18;
const OBJ_NAME = 2;
const OBJ_DATA = 4;
const COUNTER_PACKETS = 2;
const NFGENMSG_BYTES = 4;

/** NFPROTO_INET of linux/netfilter.h. */
const INET = 1;

/** Replaces choices in tables of the family `inet`, without starting a program. */
export class NftWriter {
  readonly #native: NativeWriter;
  #last: Promise<unknown> = Promise.resolve();

  /** @throws SystemError `NFT_SYSTEM` when the system has no socket for it */
  constructor() {
    const addon = loadAddon<{ NftWriter: new () => NativeWriter }>();
    try {
      this.#native = new addon.NftWriter();
    } catch (error) {
      throw describe(error as NativeError);
    }
  }

  /**
   * Replaces some choices in one transaction: a packet meets all of the old ones or all of the new ones. One that is inside
   * the rule in that very moment meets none, since the kernel looks into the rule's map by the generation that is current
   * by then (nft_set_elem_active), so the rules behind the chain must choose, too. It is done when this returns, which takes
   * the kernel some 100 us for 256 places, and 2 ms for 4,096.
   * @throws SystemError after which everything is as it was: `NFT_GONE` when a table or chain is not there, `NFT_SYSTEM`
   * otherwise
   */
  write(choices: readonly NftChoices[]): void {
    try {
      this.#native.write(INET, choices);
    } catch (error) {
      rethrow(error);
    }
    OWN_TRANSACTIONS.done++;
  }

  /**
   * The packets that the counters of a table have counted, by their names; none where there is no such table. The rejection is a
   * SystemError `NFT_SYSTEM`.
   */
  counters(table: string): Promise<ReadonlyMap<string, number>> {
    const read = this.#last.then(() => this.#native.counters(INET, table)).catch(rethrow);
    this.#last = read.catch(() => undefined);
    return read.then(packetsByName);
  }

  /** Settles when what is being read has been. */
  async close(): Promise<void> {
    await this.#last;
    this.#native.close();
  }
}

function packetsByName(messages: Uint8Array): ReadonlyMap<string, number> {
  const packets = new Map<string, number>();
  forEachMessage(messages, NFT_NEWOBJ, (view, start, end) => {
    let [name, count] = ['', 0];
    forEachAttribute(view, start + NFGENMSG_BYTES, end, (type, _, from, to) => {
      if (type === OBJ_NAME) name = readText(view, from, to);
      if (type !== OBJ_DATA) return;
      forEachAttribute(view, from, to, (part, __, at, until) => {
        if (part === COUNTER_PACKETS && until - at === 8) count = Number(view.getBigUint64(at));
      });
    });
    packets.set(name, count);
  });
  return packets;
}

function rethrow(error: unknown): never {
  throw (error as NativeError).errno === undefined ? error : describe(error as NativeError);
}

function describe(error: NativeError): SystemError {
  const [name, text] = getSystemErrorMap().get(-error.errno) ?? [`error ${error.errno}`, ''];
  const what = error.step ?? 'socket';
  return new SystemError(
    name === 'ENOENT' ? 'NFT_GONE' : 'NFT_SYSTEM',
    `nftables: ${what}: ${name}${text && `: ${text}`}`,
    { cause: error },
  );
}
