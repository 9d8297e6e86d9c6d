/** A WAN keeps its mark by its name while the list changes, so that its connections stay on its line. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { WAN_FIELD } from '../helpers/marks.js';
import { namespaces, needs } from '../helpers/requires.js';
import { Machine, type Peer, SERVER, wans } from './rules-harness.js';

const PORT = '7000';
const [ONE, TWO, THREE] = wans([1, 1, 1]) as [string, string, string];

describe('a list of WANs that changes', needs(namespaces), () => {
  let machine: Machine;
  /** Makes a connection by each WAN; the server tells the WAN by the address. */
  const held = new Map<string, Peer>();

  const up = (wan: readonly string[]) => {
    const result = machine.wanmark('up', { wan, engine: 'kernel', 'kernel-mode': 'nth' });
    assert.equal(result.status, 0, result.stderr);
    return result.stderr;
  };
  const hold = async () => {
    const peer = await machine.peer(['hold', SERVER, PORT], 'client');
    assert.equal(await peer.line(), 'connected');
    held.set((await peer.ask('?'))!, peer);
  };
  const assertHeld = async (what: string) => {
    for (const [address, peer] of held) assert.equal(await peer.ask('?'), address, what);
  };
  /** The marks by name, as the packets of each WAN are counted. */
  const marks = () => {
    const [show, counts] = machine.hasNft()
      ? ['nft list chain inet wanmark mangle4.WANMARK_COUNT', /== (0x\w+) .*"wanmark (\w+)"/g]
      : ['iptables-save -t mangle', /-A WANMARK_COUNT .*--mark (0x\w+)\/.*"wanmark (\w+)"/g];
    const found = [...machine.sh(show as string).matchAll(counts as RegExp)];
    return Object.fromEntries(found.map(([, mark, name]) => [name, WAN_FIELD.decode(Number(mark))]));
  };
  const lines = async () => new Set(await machine.call(['tcp', '6', SERVER, PORT], 'client'));

  before(async () => {
    machine = await Machine.start();
    machine.buildNetwork();
    const serving = await machine.peer(['serve', PORT, SERVER], 'inet');
    assert.equal(await serving.line(), 'ready');
    up([ONE, TWO, THREE]);
    while (held.size < 3) await hold();
  });
  after(() => machine.stop());

  test('may have other places in it, and nothing changes', async () => {
    const before = machine.snapshot();
    for (const list of [
      [TWO, ONE, THREE],
      [THREE, TWO, ONE],
    ]) {
      up(list);
      assert.deepEqual(marks(), { wan1: 1, wan2: 2, wan3: 3 });
      await assertHeld(list.join(' '));
    }
    up([ONE, TWO, THREE]);
    assert.deepEqual(machine.snapshot().split('\n').sort(), before.split('\n').sort());
  });

  test('may be shorter and longer again: the others keep their marks, and a WAN that comes back gets its own', async () => {
    const [first, peer] = [...held].find(([address]) => address === '192.0.1.2')!;
    held.delete(first);
    up([THREE, TWO]);
    assert.deepEqual(marks(), { wan2: 2, wan3: 3 });
    await assertHeld('without the first');
    assert.deepEqual(await lines(), new Set(['192.0.2.2', '192.0.3.2']));
    // A new WAN must not get a number that connections of another one may still have.
    up(['new,dev=lan0,via=10.9.0.2,weight=0', THREE, TWO]);
    assert.deepEqual(marks(), { new: 4, wan2: 2, wan3: 3 });
    await assertHeld('with another first');
    up([THREE, TWO, ONE]);
    assert.deepEqual(marks(), { wan1: 1, wan2: 2, wan3: 3 });
    held.set(first, peer);
    await assertHeld('all again');
    assert.deepEqual(await lines(), new Set(['192.0.1.2', '192.0.2.2', '192.0.3.2']));
  });

  test('loses to a configured mark, and the message names the WAN that had it', () => {
    const said = up([`${THREE},mark=1`, ONE, TWO]);
    assert.match(
      said,
      /^wanmark: warning: WAN "wan1" had mark 1, which is "wan3" now; it has mark \d, .*"wan3"$/m,
    );
    const { wan1, ...others } = marks();
    assert.deepEqual(others, { wan2: 2, wan3: 1 });
    assert.equal(new Set([wan1, 1, 2]).size, 3);
  });

  test('counts by its places after down', () => {
    assert.equal(machine.wanmark('down').status, 0);
    up([THREE, ONE]);
    assert.deepEqual(marks(), { wan3: 1, wan1: 2 });
  });
});
