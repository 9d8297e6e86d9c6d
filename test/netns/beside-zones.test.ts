/** Conntrack zones on the router. */
import { test } from 'node:test';
import type { Lab } from '#wanmark/lab/lab.js';
import { beside } from '../helpers/beside.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';

test(
  'a zone for all connections: they are balanced, kept, and cut when their WAN dies',
  needs(nfqueue, addon),
  async () => {
    const zone = 'CT --zone 5';
    const prepare = (lab: Lab) =>
      lab.router
        .sh(`iptables -t raw -A PREROUTING -j ${zone}; iptables -t raw -A OUTPUT -j ${zone}`)
        .then(() => undefined);
    await beside({ prepare }, async (it) => {
      await it.well('the start');
      await it.lab.router.sh('ip link set wan2 down');
      await it.well('the death of a WAN', { wan1: 20 }, 'wan2');
      await it.lab.router.sh('ip link set wan2 up');
      await it.well('its return', undefined, 'wan2');
    });
  },
);
