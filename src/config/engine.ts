import { HASH_FIELDS, type HashField } from '../core/flow-hash.js';
import { UsageError } from '../errors.js';
import { HASH, hashFields } from './hash-fields.js';
import type { RawConfig } from './options.js';
import { readChoice, readText } from './raw.js';

/** Who chooses, how the kernel chooses, and what is spread. */
export interface EngineConfig {
  /** With `kernel` no daemon decides; with `ahead` it writes its choices into the kernel before there are packets for them. */
  readonly engine: 'nfqueue' | 'kernel' | 'ahead';
  /** How the kernel chooses, also in place of a daemon. */
  readonly kernelMode: 'random' | 'nth';
  /** The fields of a packet that the kernel hashes to choose, in place of its mode; only nft can. */
  readonly kernelHash?: readonly HashField[];
  /** `packet` is allowed only with the engine `kernel`. */
  readonly per: 'connection' | 'packet';
}

/** @throws UsageError */
export function parseEngine(raw: RawConfig): EngineConfig {
  const engine = readChoice(raw, 'engine', ['nfqueue', 'kernel', 'ahead']);
  const per = readChoice(raw, 'per', ['connection', 'packet']);
  if (per === 'packet' && engine !== 'kernel') {
    throw new UsageError('--per packet needs --engine kernel; a daemon decides for connections');
  }
  const mode = readText(raw, 'kernel-mode')!;
  if (!mode.startsWith(HASH))
    return { engine, kernelMode: readChoice(raw, 'kernel-mode', ['random', 'nth']), per };
  if (per === 'packet') throw new UsageError('--per packet spreads the packets that a hash keeps together');
  const given = hashFields('kernel-mode', mode);
  return { engine, kernelMode: 'random', kernelHash: HASH_FIELDS.filter((one) => given.includes(one)), per };
}

/** The option `kernel-mode` as text. */
export function kernelModeText({ kernelMode, kernelHash }: EngineConfig): string {
  return kernelHash === undefined ? kernelMode : HASH + kernelHash.join();
}
