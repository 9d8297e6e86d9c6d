import type { WanStatus } from '../control/status.js';

type Shared = Pick<WanStatus, 'weight' | 'state' | 'picks'> & { readonly tier?: number };
type Shares = Pick<WanStatus, 'share' | 'target'>;

/** Shares of `picks`, and the targets by weight of those in state `up` in their lowest tier. */
export function withShares<Line extends Shared>(wans: readonly Line[]): (Line & Shares)[] {
  const picks = wans.reduce((sum, wan) => sum + wan.picks, 0);
  const up = wans.filter((wan) => wan.state === 'up');
  const tier = Math.min(...up.map((wan) => wan.tier ?? 1));
  const taking = up.filter((wan) => (wan.tier ?? 1) === tier);
  const weights = taking.reduce((sum, wan) => sum + wan.weight, 0);
  return wans.map((wan) => ({
    ...wan,
    share: picks === 0 ? 0 : wan.picks / picks,
    target: taking.includes(wan) ? wan.weight / weights : 0,
  }));
}
