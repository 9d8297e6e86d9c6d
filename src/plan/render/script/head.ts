import type { PlanConfig } from '../../../config/config.js';
import { PROTOCOL } from '../ip.js';
import type { Dialect } from './dialect.js';
import type { Variable } from './symbols.js';
import { listed, quoted } from './words.js';

/** The text at the top of a script, which says what it does. */
export function headText(
  { wans, services, rules }: Pick<PlanConfig, 'wans' | 'services' | 'rules'>,
  { needs, signs, zone }: Dialect,
): string {
  const what = [
    ...(wans.length > 0 ? [`connections over ${listed(wans.map(({ name }) => name))}`] : []),
    ...(services.length > 0
      ? [`what comes for ${listed(services.map(({ name }) => name))} over servers`]
      : []),
  ].join(', and ');
  const chooser =
    rules.engine === 'kernel'
      ? 'The kernel chooses.'
      : 'The kernel chooses, unless a daemon listens on the queue.';
  return `#!/bin/sh
# Balances ${what}.
# ${chooser}
#
# Printed by wanmark; needs iproute2 and ${needs}, but not wanmark. As root:
#
#   sh FILE [up]     sets everything up; run it again after a change of the settings below. The router must forward
#                    already: sysctl net.ipv4.ip_forward=1
#   sh FILE refresh  for hooks: brings it up to date when addresses, gateways or routes may have changed
#   sh FILE down     removes everything
#
# When a step fails, everything goes back to what it was. Exit codes: 0 done, 1 the machine refused, 2 wrong usage.
#
# Everything it makes can be recognised: ${signs}, ip rules and routes of
# protocol ${PROTOCOL}. A connection's mark says which ${wans.length > 0 ? 'WAN' : 'server'} it belongs to; bits outside the mask are left as they are.
set -eu
# A lock that others can read can be taken by them, and the state names programs that run as root.
umask 077
${zone ?? ''}LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH`;
}

/** The values that a person may change. */
export function settingsText(
  { rules, wans }: Pick<PlanConfig, 'rules' | 'wans'>,
  variables: readonly Variable[],
  tools: Dialect['settings'],
): string {
  return [
    ...variables.map(
      ({ name, value, comment }) => `${name}=${value}${comment === undefined ? '' : ` # ${comment}`}`,
    ),
    ...(wans.length > 0
      ? [
          `exclude="${rules.exclude.join(' ')}" # networks to leave alone`,
          `respect_marks=${rules.respectMarks ? 'on' : 'off'} # whether ip rules of others by mark hold before ours`,
        ]
      : []),
    ...tools.map(([tool, program]) => `${tool}=${quoted(program)}`),
    'state=/run/wanmark-script # what down needs to know',
  ].join('\n');
}
