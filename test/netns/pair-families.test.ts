import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { withLab } from '../helpers/lab.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { tally } from '../helpers/traffic.js';

describe('pair-families', needs(nfqueue, addon), () => {
  it('sends all connections of a client by one WAN, and all of them by another when that is down', async () => {
    const options = { wans: 3, clients: 3, clientAddresses: 2, up: [], run: ['--pair-families'] };
    await withLab(options, async ({ lab, wanmark }) => {
      const wanOf = async (from = lab.client) => {
        const flows = [
          ...(await lab.connect({ from, count: 4 })),
          ...(await lab.connect({ from, count: 4, family: 6, proto: 'udp' })),
        ];
        const wans = Object.keys(tally(flows));
        assert.equal(wans.length, 1, JSON.stringify(tally(flows)));
        return wans[0]!;
      };
      const all = [];
      for (const client of lab.clients) all.push(await wanOf(client));
      assert.deepEqual(all.toSorted(), ['wan1', 'wan2', 'wan3']);
      await wanmark.command(['set', all[0]!, 'state=down']);
      const other = await wanOf();
      assert.notEqual(other, all[0]);
      await wanmark.command(['set', all[0]!, 'state=auto']);
      assert.equal(await wanOf(), other, 'it keeps what it got');
    });
  });
});
