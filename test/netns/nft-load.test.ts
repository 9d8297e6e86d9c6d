/** The rules go over from iptables to nft and back while connections come and go, and none is lost. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { withLab } from '../helpers/lab.js';
import { assertUnharmed, byWan, feasibleRate, SteadyLoad } from '../helpers/load.js';
import { addon, needs, nfqueue, program } from '../helpers/requires.js';

const KERNEL = ['--engine', 'kernel', '--kernel-mode', 'nth'];

describe('a change of backend under load', needs(nfqueue, addon, program('nft')), () => {
  it('loses no connection, neither old nor new, either way', async (t) => {
    await withLab(
      { wans: 3, ipv6: false, clientAddresses: 4, up: [...KERNEL, '--firewall', 'iptables'] },
      async ({ lab, wanmark }) => {
        const held = await lab.connect({ count: 12, hold: true });
        const load = await SteadyLoad.start(lab, await feasibleRate(lab, 100));
        for (let round = 0; round < 2; round++) {
          for (const backend of ['nft', 'iptables']) {
            await load.more(50);
            await wanmark.up(...KERNEL, '--firewall', backend);
            const { stdout } = await lab.router.sh('nft list tables; iptables-save -t mangle');
            assert.equal(stdout.includes('table inet wanmark'), backend === 'nft');
            assert.equal(stdout.includes(':WANMARK '), backend === 'iptables');
          }
        }
        await load.more(50);
        const report = await load.end();
        t.diagnostic(`${report.done} connections, ${report.slow} slow, the longest ${report.longestMs} ms`);
        assertUnharmed(report);
        assert.deepEqual(Object.keys(byWan(lab, report)).toSorted(), ['wan1', 'wan2', 'wan3']);
        const again = await lab.exchange(lab.client, held);
        assert.deepEqual(
          again.map(({ wan, error }) => error ?? wan),
          held.map(({ wan }) => wan),
        );
      },
    );
  });
});
