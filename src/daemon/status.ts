import type { WanState } from '../core/wan.js';

/** One WAN in `wanmark status --json`. Fields may be added, never renamed. */
export interface WanStatus {
  readonly name: string;
  readonly mark: number;
  readonly dev: string;
  readonly weight: number;
  readonly tier: number;
  readonly state: WanState;
  /** Live connections; null where nobody can count. */
  readonly connections: number | null;
  /** Decisions since the start. */
  readonly picks: number;
  /** Of all decisions, 0..1. */
  readonly share: number;
  /** What the weights of the WANs that take connections would give, 0..1. */
  readonly target: number;
}

/** `wanmark status --json`. Fields may be added, never renamed. */
export interface Status {
  readonly pid: number;
  readonly uptimeSeconds: number;
  readonly strategy: string;
  readonly queue: {
    readonly num: number;
    /** Packets answered since the start. */
    readonly verdicts: number;
    /** Of the kernel's own counters; null where they may not be read (only real root may). */
    readonly waiting: number | null;
    /** Dropped because the queue was full. */
    readonly dropped: number | null;
    /** Dropped because the daemon's receive buffer was full. */
    readonly userDropped: number | null;
    /** Left to the kernel's choice: late, or the strategy failed. */
    readonly kernelDecided: number;
  };
  readonly wans: readonly WanStatus[];
}

/** Shares of `picks`, and the targets by weight of those in state `up` in their lowest tier. */
export function withShares(wans: readonly Omit<WanStatus, 'share' | 'target'>[]): WanStatus[] {
  const picks = wans.reduce((sum, wan) => sum + wan.picks, 0);
  const up = wans.filter((wan) => wan.state === 'up');
  const tier = Math.min(...up.map((wan) => wan.tier));
  const taking = up.filter((wan) => wan.tier === tier);
  const weights = taking.reduce((sum, wan) => sum + wan.weight, 0);
  return wans.map((wan) => ({
    ...wan,
    share: picks === 0 ? 0 : wan.picks / picks,
    target: taking.includes(wan) ? wan.weight / weights : 0,
  }));
}
