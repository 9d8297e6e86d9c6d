import { UsageError } from '../errors.js';
import type { RawConfig } from './options.js';
import { readChoice } from './raw.js';

/** Who chooses, how the kernel chooses, and what is spread. */
export interface EngineConfig {
  /** With `kernel` no daemon decides. */
  readonly engine: 'nfqueue' | 'kernel';
  /** How the kernel chooses, also in place of a daemon. */
  readonly kernelMode: 'random' | 'nth';
  /** `packet` is allowed only with the engine `kernel`. */
  readonly per: 'connection' | 'packet';
}

/** @throws UsageError */
export function parseEngine(raw: RawConfig): EngineConfig {
  const engine = readChoice(raw, 'engine', ['nfqueue', 'kernel']);
  const per = readChoice(raw, 'per', ['connection', 'packet']);
  if (per === 'packet' && engine !== 'kernel') {
    throw new UsageError('--per packet needs --engine kernel; a daemon decides for connections');
  }
  return { engine, kernelMode: readChoice(raw, 'kernel-mode', ['random', 'nth']), per };
}
