import type { PlanConfig } from '../config/config.js';
import { DEFAULT_POLICY } from '../config/policy.js';
import type { AheadPool } from './plan.js';

/** The pools for which a daemon chooses beforehand: the policies with all of their WANs, whatever can be used at the moment. */
export function aheadPools({
  wans,
  rules,
  policies,
  fields,
}: Pick<PlanConfig, 'wans' | 'rules' | 'policies' | 'fields'>): AheadPool[] {
  if (rules.engine !== 'ahead') return [];
  const targets = wans.map(({ name, mark }) => ({ name, value: fields.wans.encode(mark) }));
  const { mask } = fields.wans;
  return [
    { name: DEFAULT_POLICY, mask, targets },
    ...policies.used.map(({ name, members }) => ({
      name,
      mask,
      targets: targets.filter((one) => members.some(({ wan }) => wan === one.name)),
    })),
  ];
}
