/** The daemon's copy of sticky clients in our nft table: what the kernel's own choice goes by, and adds to. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { addon, namespaces, needs, program } from '../helpers/requires.js';
import { Machine, type Peer, SERVER, SERVER6, tally, wans } from './rules-harness.js';
import { done, serve, wanOf } from './rules-steps.js';

const PORT = '7000';
const PEER = fileURLToPath(new URL('./nft-clients-peer.js', import.meta.url));
const CONFIG = { engine: 'kernel', backend: 'nft', sticky: 'src:for=1h', wan: wans([1, 1, 1]) };
const CLIENTS = { 4: '10.9.0.2', 6: 'fd09::2' } as const;

describe('sticky clients in nft', needs(namespaces, addon, program('nft')), () => {
  let machine: Machine;

  before(async () => {
    machine = await Machine.start();
    machine.buildNetwork();
    await serve(machine, [PORT], [SERVER, SERVER6], 'inet');
  });
  after(() => machine.stop());

  /** Starts what the daemon has of a policy's sets in a family. */
  const start = (family: 4 | 6) => machine.peer([String(family)], undefined, PEER);
  const read = async (peer: Peer): Promise<unknown[]> => JSON.parse((await peer.ask('read'))!);
  const wanTo = async (server: string) =>
    Object.keys(tally((await machine.call(['tcp', '4', server, PORT], 'client')).map(wanOf))).join();

  for (const family of [4, 6] as const) {
    const server = family === 4 ? SERVER : SERVER6;
    const client = CLIENTS[family];

    test(`IPv${family}: the kernel goes by what is placed, and what it adds is read`, async () => {
      done(machine, 'up', CONFIG);
      const peer = await start(family);
      assert.deepEqual(await read(peer), []);
      const first = await wanTo(server);
      const network = family === 4 ? client : 'fd09::';
      assert.deepEqual(await read(peer), [[network, `wan${first}`, 3600]]);
      for (const wan of ['3', '1', '2', '2']) {
        assert.equal(await peer.ask(`place ${client} wan${wan} 1000`), 'true');
        assert.deepEqual(await read(peer), [[network, `wan${wan}`, 1000]]);
        assert.equal(await wanTo(server), wan);
        // A connection begins its time anew.
        assert.deepEqual(await read(peer), [[network, `wan${wan}`, 3600]]);
      }
      assert.equal(await peer.ask(`place ${client} none 1000`), 'true');
      assert.deepEqual(await read(peer), []);
      await peer.end();
      done(machine, 'down');
    });
  }

  test('many at once, over a change of rules; sets that were made anew are told', async () => {
    done(machine, 'up', CONFIG);
    const peer = await start(4);
    assert.equal(await peer.ask('many 250'), 'true');
    assert.equal((await read(peer)).length, 250);
    done(machine, 'up', { ...CONFIG, wan: wans([2, 1, 1]) });
    machine.refresh({ down: 'wan1' });
    assert.equal((await read(peer)).length, 250);
    machine.sh('nft flush ruleset');
    assert.equal(await peer.ask('many 250'), 'false');
    done(machine, 'refresh');
    assert.equal(await peer.ask('many 250'), 'false', 'they are empty now');
    assert.equal(await peer.ask('many 250'), 'true');
    assert.equal((await read(peer)).length, 250);
    await peer.end();
    done(machine, 'down');
  });

  test('what the daemon itself writes is no change of the rules, and what others write is', async () => {
    done(machine, 'up', CONFIG);
    const peer = await start(4);
    const before = await peer.ask('fingerprint');
    assert.equal(await peer.ask('many 10'), 'true');
    assert.equal(await peer.ask(`place ${CLIENTS[4]} wan1 1000`), 'true');
    await wanTo(SERVER);
    assert.equal(await peer.ask('fingerprint'), before);
    machine.sh('nft add table ip other');
    assert.notEqual(await peer.ask('fingerprint'), before);
    await peer.end();
    done(machine, 'down');
  });
});
