import { execute } from './executor.js';
import type { Listener } from './install.js';
import { readInstalled } from './installed.js';
import { dropNetworkSets } from './network-sets.js';
import { needNetAdmin } from './privilege.js';
import { saidBy } from './said.js';

/** Removes everything that is ours, whatever state it is in. @returns the exit code @throws SystemError */
export async function downRules(listener: Listener = {}): Promise<number> {
  needNetAdmin();
  const installed = readInstalled();
  const programs = installed?.firewall.programs;
  const code = await execute({
    verb: 'down',
    // The programs of `up`, unless the environment names others now.
    environment: programs === undefined ? {} : { IPTABLES: programs[4], IP6TABLES: programs[6] },
    onEvent: (event) => {
      const { said, changes } = saidBy(event);
      for (const line of said) listener.said?.(line);
      for (const command of changes) listener.changed?.(command);
    },
  });
  // Where rules are left, they still ask their sets.
  if (code === 0) dropNetworkSets([]);
  return code;
}
