import type { Logger } from 'pino';
import { flush } from '../conntrack/requests.js';
import type { MarkField } from '../core/mark.js';
import { UDP } from '../core/protocol.js';
import type { Wan } from '../core/wan.js';
import { KERNEL, type Kernel } from '../system/rtnetlink/kernel.js';

/** IPS_SRC_NAT and IPS_DST_NAT of linux/netfilter/nf_conntrack_common.h. */
const SRC_NAT = 1 << 4;
const DST_NAT = 1 << 5;

export interface RenumberingParts {
  readonly wans: readonly Wan[];
  readonly field: MarkField;
  readonly logger: Logger;
  readonly kernel?: Pick<Kernel, 'addresses' | 'links'>;
  readonly flush?: typeof flush;
}

/**
 * Gets masqueraded UDP flows over a provider's new IPv6 prefix. The old address stays on the device, deprecated, for two
 * hours (RFC 4862, 5.5.3), and nothing comes back to it. The kernel forgets masqueraded connections only when an address
 * goes, so a flow that never pauses would keep the old one; UDP has no reset by which it could notice. When an address
 * becomes deprecated, conntrack forgets the WAN's translated UDP, whose next packets get the new address.
 *
 * Temporary addresses (RFC 8981) become deprecated every day, and lead somewhere all the same.
 */
export class Renumbering {
  readonly #parts: RenumberingParts;
  readonly #kernel: Pick<Kernel, 'addresses' | 'links'>;
  readonly #wans: readonly Wan[];
  #deprecated: ReadonlySet<string> | undefined;

  constructor(parts: RenumberingParts) {
    this.#parts = parts;
    this.#kernel = parts.kernel ?? KERNEL;
    this.#wans = parts.wans.filter((wan) => wan.via6 !== undefined && wan.nat6 === 'masquerade');
  }

  /** To be called when addresses may have changed; what is deprecated at the first look stays as it is. Never rejects. */
  async look(): Promise<void> {
    if (this.#wans.length === 0) return;
    const before = this.#deprecated;
    try {
      this.#deprecated = this.#read();
    } catch {
      return; // The kernel answers the next look.
    }
    const news = [...this.#deprecated].filter((one) => before !== undefined && !before.has(one));
    const moved = this.#wans.filter(({ dev }) => news.some((one) => one.startsWith(`${dev} `)));
    await Promise.all(moved.map((wan) => this.#renew(wan)));
  }

  /** The deprecated addresses as `DEVICE ADDRESS`. */
  #read(): ReadonlySet<string> {
    const deprecated = this.#kernel.addresses(6).filter((one) => one.deprecated && !one.temporary);
    // Packets wait while a thousand devices are read, and mostly nothing is deprecated.
    if (deprecated.length === 0) return new Set();
    const names = new Map(this.#kernel.links().map(({ index, name }) => [index, name]));
    return new Set(deprecated.map(({ index, local }) => `${names.get(index)} ${local}`));
  }

  async #renew({ name, mark }: Wan): Promise<void> {
    const { field, logger } = this.#parts;
    try {
      const ended = await (this.#parts.flush ?? flush)(field.encode(mark), field.mask, {
        family: 6,
        proto: UDP,
        status: SRC_NAT,
        statusMask: SRC_NAT | DST_NAT,
      });
      logger.info(
        { wan: name, flows: ended?.ended },
        'an IPv6 address is deprecated; UDP is translated anew',
      );
    } catch (error) {
      logger.error(`UDP of WAN ${name} keeps a deprecated address: ${(error as Error).message}`);
    }
  }
}
