import { getSystemErrorMap } from 'node:util';
import { SystemError } from '../errors.js';
import { loadAddon } from '../native.js';

/**
 * Choices that are made ahead, as nftables keeps them: a chain whose only rule takes the next place in turn and goes to the
 * chain that this leads to. Flushing the chain takes all of it away.
 */
export interface NftChoices {
  readonly table: string;
  /** The chain of the rule; any other rule of it goes. Without places it has none. */
  readonly chain: string;
  /** The chains that a place may lead to. */
  readonly targets: readonly string[];
  /** For each place the index of its target; the first one is the next. */
  readonly places: Uint16Array;
}

interface NativeWriter {
  write(family: number, choices: readonly NftChoices[]): Promise<void>;
  close(): void;
}

interface NativeError extends Error {
  readonly errno: number;
  /** What the kernel refuses; absent where the socket could not be opened. */
  readonly step?: 'places' | 'rule' | 'transaction';
}

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
   * by then (nft_set_elem_active), so the rules behind the chain must choose, too. Calls are carried out one after the other. The rejection is a SystemError, after which everything is as it was: `NFT_GONE` when a table
   * or chain is not there, `NFT_SYSTEM` otherwise.
   */
  write(choices: readonly NftChoices[]): Promise<void> {
    const done = this.#last.then(() => this.#native.write(INET, choices)).catch(rethrow);
    this.#last = done.catch(() => undefined);
    return done;
  }

  /** Settles when what was written is done. */
  async close(): Promise<void> {
    await this.#last;
    this.#native.close();
  }
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
