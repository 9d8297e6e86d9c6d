import { FAMILIES, type Family } from '../core/family.js';
import { carries } from '../core/wan.js';
import type { Config } from './config.js';
import { refusesFamily } from './policies.js';

/** The families in which a WAN, or a server of a service, takes connections. */
export function carriedFamilies({ wans, services }: Pick<Config, 'wans' | 'services'>): readonly Family[] {
  return FAMILIES.filter(
    (family) =>
      wans.some((wan) => carries(wan, family)) || services.some((service) => service.family === family),
  );
}

/** The families that have rules, see FamilyPlan.served: those that are carried, and those that a rule refuses. */
export function servedFamilies(config: Pick<Config, 'wans' | 'services' | 'policies'>): readonly Family[] {
  const carried = carriedFamilies(config);
  return FAMILIES.filter((family) => carried.includes(family) || refusesFamily(config.policies, family));
}
