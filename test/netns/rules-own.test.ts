/** With `own: off` the main table has the router's own connections, and WANs what came in by them or is bound to them. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { namespaces, needs } from '../helpers/requires.js';
import { Machine, SERVER, SERVER6, tally, wans } from './rules-harness.js';
import { done, serve } from './rules-steps.js';

const PORT = '7000';

describe("the router's own connections with own: off", needs(namespaces), () => {
  let machine: Machine;
  const call = async (netns: string | undefined, ...args: string[]) => tally(await machine.call(args, netns));

  before(async () => {
    machine = await Machine.start();
    machine.buildNetwork();
    machine.addLinkLocal();
    const own = [1, 2, 3].flatMap((k) => [`192.0.${k}.2`, `2001:db8:${k}::2`]);
    await serve(machine, [PORT], [SERVER, SERVER6], 'inet');
    await serve(machine, [PORT], own);
  });
  after(() => machine.stop());

  for (const engine of ['kernel', 'nfqueue']) {
    test(`engine ${engine}: go by the main table, and clients' connections by all WANs`, async () => {
      done(machine, 'up', { wan: wans([1, 1, 1]), own: 'off', engine, 'kernel-mode': 'nth' });
      for (const [server, prefix, end] of [
        [SERVER, '192.0.', '.2'],
        [SERVER6, '2001:db8:', '::2'],
      ] as const) {
        const by = (k: number) => `${prefix}${k}${end}`;
        for (const protocol of ['tcp', 'udp']) {
          assert.deepEqual(await call(undefined, protocol, '6', server, PORT), { [by(1)]: 6 });
          assert.deepEqual(
            await call('client', protocol, '6', server, PORT),
            { [by(1)]: 2, [by(2)]: 2, [by(3)]: 2 },
            protocol,
          );
          // Bound to the address of a WAN that is not main's.
          assert.deepEqual(await call(undefined, protocol, '3', server, PORT, by(2)), { [by(2)]: 3 });
          // What comes in is answered by the WAN that it came by; `inet` drops what comes by another.
          assert.deepEqual(
            await call('inet', protocol, '3', by(3), PORT, `${prefix}${3}${end.replace('2', '1')}`),
            {
              [`${prefix}${3}${end.replace('2', '1')}`]: 3,
            },
          );
        }
      }
    });
  }

  test('follow the main table when its default route changes', async () => {
    const next = async () => {
      const [first, ...rest] = await machine.call(['stream', '2', SERVER, PORT]);
      assert.deepEqual(rest, [first]);
      return first;
    };
    assert.equal(await next(), '192.0.1.2');
    machine.sh('ip route replace default via 192.0.2.1; ip -6 route replace default via 2001:db8:2::1');
    done(machine, 'refresh');
    assert.equal(await next(), '192.0.2.2');
    assert.deepEqual(await call(undefined, 'tcp', '3', SERVER6, PORT), { '2001:db8:2::2': 3 });
    machine.sh('ip route replace default via 192.0.1.1; ip -6 route replace default via 2001:db8:1::1');
    done(machine, 'refresh');
    assert.equal(await next(), '192.0.1.2');
  });
});
