import assert from 'node:assert/strict';
import { it } from 'node:test';
import { pino } from 'pino';
import { parseConfig } from '#wanmark/config/config.js';
import { Renumbering } from '#wanmark/daemon/renumbering.js';

it('translates UDP anew when an address of the WAN becomes deprecated, once, and not for a temporary one', async () => {
  const { wans, fields } = parseConfig({
    wan: ['a,dev=eth1,via6=fe80::1', 'b,dev=eth2,via6=fe80::1', 'c,dev=eth1,via6=fe80::2,nat6=none'],
  });
  const flushed: number[] = [];
  const address = {
    family: 6,
    index: 3,
    scope: 0,
    local: '2001:db8::2',
    peer: undefined,
    prefixLength: 64,
  } as const;
  let addresses = [{ ...address, deprecated: false, temporary: false }];
  const renumbering = new Renumbering({
    wans,
    field: fields.wans,
    logger: pino({ level: 'silent' }),
    kernel: { links: () => [{ name: 'eth1', index: 3, type: 1, flags: 1 }], addresses: () => addresses },
    flush: async (mark) => {
      flushed.push(mark);
      return { found: 0, ended: 0 };
    },
  });
  const look = async (deprecated: boolean, temporary = false) => {
    addresses = [{ ...address, deprecated, temporary }];
    await renumbering.look();
    return flushed.splice(0);
  };
  assert.deepEqual(await look(true), [], 'was so before');
  assert.deepEqual(await look(false), []);
  assert.deepEqual(await look(true), [fields.wans.encode(1)]);
  assert.deepEqual(await look(true), []);
  assert.deepEqual(await look(false), []);
  assert.deepEqual(await look(true, true), []);
});
