/** What the services translate passes firewalls that drop, written with nft, while our rules are in nft. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addon, namespaces, needs, program } from '../helpers/requires.js';
import { PORT, ROUTER, server, withServices } from '../helpers/services.js';

const FLAGS = [
  ...['--engine', 'kernel', '--kernel-mode', 'nth', '--firewall', 'nft', '--forward-accept'],
  ...['--service', `web,listen=${ROUTER[4]}:80/tcp`],
  ...[1, 2].flatMap((k) => ['--backend', `web,to=${server(k)}:${PORT}`]),
];
/** As firewalld and nftables.conf have it, and one of a single family with a last rule that drops. */
const FIREWALL = `nft -f - <<'E'
table inet firewalled {
  chain forward {
    type filter hook forward priority filter + 10; policy drop;
    ct state invalid drop
  }
}
table ip single {
  chain forward-mine {
    type filter hook forward priority -150; policy accept;
    meta l4proto tcp drop
  }
}
E`;
const TABLES = 'nft -s list table inet firewalled; nft -s list table ip single; nft list tables';

describe('--forward-accept with nft', needs(namespaces, addon, program('nft')), () => {
  it('stands first in the forward chains of others, comes back after a reload, and goes with `down`', async () => {
    await withServices({ servers: 2 }, async (lab) => {
      const out = async (script: string) => (await lab.router.sh(script)).stdout;
      await lab.router.sh(FIREWALL);
      const before = await out(TABLES);
      const passes = async () => {
        assert.deepEqual(await lab.spread({ count: 4, tag: String(Math.random()) }), [2, 2]);
        const [other] = await lab.connect({ to: server(1), port: PORT, timeoutMs: 1000 });
        assert.notEqual(other!.error, undefined, 'nothing else passes');
      };
      await lab.up(...FLAGS);
      await passes();
      const after = await out(TABLES);
      assert.equal(after.match(/comment "wanmark forward"/g)?.length, 2);
      await lab.up(...FLAGS);
      assert.equal(await out(TABLES), after);
      assert.equal((await lab.wanmark('check')).code, 0);

      await lab.router.sh(`nft delete table inet firewalled; nft delete table ip single\n${FIREWALL}`);
      const check = await lab.wanmark('check');
      assert.equal(check.code, 1);
      assert.match(
        check.stderr,
        /missing: nft .*rule of inet firewalled forward, rule of ip single forward-mine/,
      );
      await lab.wanmark('refresh');
      await passes();
      // What another one put before it is behind it again.
      await lab.router.sh('nft insert rule ip single forward-mine meta l4proto tcp drop');
      await lab.wanmark('refresh');
      await passes();

      await lab.up(...FLAGS.filter((flag) => flag !== '--forward-accept'));
      assert.doesNotMatch(await out(TABLES), /wanmark forward/);
      await lab.up(...FLAGS);
      await lab.up(...FLAGS.map((flag) => (flag === 'nft' ? 'iptables' : flag)));
      assert.doesNotMatch(await out(TABLES), /wanmark forward|inet wanmark/);
      await lab.up(...FLAGS);
      await lab.router.sh(
        'nft delete rule ip single forward-mine handle $(nft -a list table ip single | sed -n "/tcp drop # handle/s/.* //p" | head -n 1)',
      );
      await lab.wanmark('down');
      assert.equal((await out(TABLES)).replace(/table ip6? (filter|nat|mangle)\n/g, ''), before);
    });
  });
});
