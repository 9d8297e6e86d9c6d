import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Lab } from '#wanmark/lab/lab.js';
import { withLab } from '../helpers/lab.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { statusOf } from '../helpers/status.js';
import { tally } from '../helpers/traffic.js';
import { stateLines, waitForState } from '../helpers/uplinks.js';

/** Each way in which a device stops working, the command for it and back, and the reason that is logged. */
const WAYS: readonly (readonly [string, (lab: Lab, up: boolean) => Promise<unknown>, RegExp])[] = [
  [
    'the carrier is lost',
    (lab, up) => lab.host('gw2').sh(`ip link set up0 ${up ? 'up' : 'down'}`),
    /^device wan2 has no carrier$/,
  ],
  [
    'the device is switched off',
    (lab, up) => lab.router.sh(`ip link set wan2 ${up ? 'up' : 'down'}`),
    /^device wan2 is switched off$/,
  ],
  [
    'the address goes',
    (lab, up) => lab.router.sh(`ip addr ${up ? 'add' : 'del'} 198.51.100.10/29 dev wan2`),
    /^device wan2 has no IPv4 address$/,
  ],
  [
    'its address changes to another network',
    (lab, up) => {
      const [comes, goes] = up ? ['198.51.100.10/29', '192.0.2.2/24'] : ['192.0.2.2/24', '198.51.100.10/29'];
      return lab.router.sh(`ip addr add ${comes} dev wan2; ip addr del ${goes} dev wan2`);
    },
    /^gateway 198\.51\.100\.9 is not on the network of device wan2$/,
  ],
];

describe('a WAN whose device stops working', needs(nfqueue, addon), () => {
  for (const [what, set, reason] of WAYS) {
    it(`gets nothing new when ${what}, and its share when it is back`, async () => {
      await withLab({ wans: 3, ipv6: false, up: [], run: [] }, async ({ lab, wanmark, daemon }) => {
        assert.deepEqual(tally(await lab.connect({ count: 9 })), { wan1: 3, wan2: 3, wan3: 3 });
        await set(lab, false);
        const down = await waitForState(daemon, 'wan down', 'wan2');
        assert.match(String(down.reason), reason);
        assert.deepEqual(tally(await lab.connect({ count: 8 })), { wan1: 4, wan3: 4 });
        const [, status] = (await statusOf(wanmark)).wans;
        assert.deepEqual([status?.state, status?.reason], ['down', down.reason]);
        await set(lab, true);
        await waitForState(daemon, 'wan up', 'wan2');
        assert.deepEqual(tally(await lab.connect({ count: 9 })), { wan1: 3, wan2: 3, wan3: 3 });
        assert.ok(stateLines(daemon).every(({ wan }) => wan === 'wan2'));
      });
    });
  }
});
