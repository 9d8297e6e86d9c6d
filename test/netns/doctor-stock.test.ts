/**
 * The lines of `doctor` about what only a distribution's kernel has: flowtables, and modules. scripts/test.sh leaves this file
 * out unless it is named; `npm run test:kernels` runs it.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import type { RawConfig } from '#wanmark/config/options.js';
import { addon, flowtables, modules, needs, nfqueue, root } from '../helpers/requires.js';
import { doctor, lineOf, nameServers } from './doctor-report.js';
import { Machine, SERVER, wans } from './rules-harness.js';

const CONFIG: RawConfig = { wan: wans([1, 1, 1]), check: [`all=ping,to=${SERVER}`] };

describe('doctor on the kernel of a distribution', needs(nfqueue, addon), () => {
  let machine: Machine;
  before(async () => {
    machine = await Machine.start();
    machine.buildNetwork();
    nameServers(machine, '');
    assert.equal(machine.wanmark('up', CONFIG).status, 0);
  });
  after(() => machine.stop());

  test(
    'sees a flowtable that does not count, one that does, and one beside --per packet',
    needs(flowtables),
    () => {
      const make = (counter: string) =>
        machine.sh(`nft -f - <<'end'
table inet other
delete table inet other
table inet other {
  flowtable fast { hook ingress priority filter; devices = { w1, lan0 }; ${counter} }
  chain forward { type filter hook forward priority filter; meta l4proto { tcp, udp } flow add @fast; }
}
end`);
      make('');
      assert.match(
        lineOf(doctor(machine, CONFIG).report, 'offload uncounted'),
        /^flowtable inet other fast /,
      );
      make('counter');
      const counted = doctor(machine, CONFIG);
      assert.equal(lineOf(counted.report, 'offload ok'), 'inet other fast, counted');
      const perPacket = doctor(machine, { ...CONFIG, engine: 'kernel', per: 'packet' });
      assert.match(lineOf(perPacket.report, 'offload per-packet'), /^flowtable inet other fast /);
      machine.sh('nft delete table inet other');
    },
  );

  test('sees a helper that was loaded and is given to nobody, and one that is', needs(root, modules), () => {
    assert.equal(spawnSync('modprobe', ['nf_conntrack_sip']).status, 0);
    assert.match(lineOf(doctor(machine, CONFIG).report, 'helpers unassigned'), /by a rule: (.*, )?sip\b/);
    machine.sh('iptables -t raw -A PREROUTING -p udp --dport 5060 -j CT --helper sip');
    const { report } = doctor(machine, CONFIG);
    const [line] = report.findings.filter(({ examination }) => examination === 'helpers');
    assert.ok(line!.kind === 'ok' || !/\bsip\b/.test(line!.text), JSON.stringify(line));
  });
});
