import { backendName } from '../core/service.js';
import type { Config } from './config.js';
import type { Numbers } from './numbers.js';

/** The numbers that a configuration's targets and policies have. */
export function numbersOf({
  wans,
  services,
  policies,
}: Pick<Config, 'wans' | 'services' | 'policies'>): Numbers {
  const backends = services.flatMap((service) =>
    service.backends.map((backend) => [backendName(service, backend), backend.mark] as const),
  );
  return {
    wans: new Map(wans.map(({ name, mark }) => [name, mark])),
    backends: new Map(backends),
    policies: new Map(
      policies.used.flatMap(({ name, number }) => (number === undefined ? [] : [[name, number] as const])),
    ),
  };
}
