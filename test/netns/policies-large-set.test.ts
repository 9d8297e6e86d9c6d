/** A policy by a set of 50,000 networks holds while the set's file changes, and no packet waits for its being read. */
import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { addon, needs, nfqueue, program } from '../helpers/requires.js';
import { Machine, SERVER, tally, wans } from './rules-harness.js';
import { done, serve, startDaemon, wanOf } from './rules-steps.js';

const PORT = '7000';
const NETWORKS = 50_000;

describe('a set of 50,000 networks', needs(nfqueue, addon, program('ipset')), () => {
  let machine: Machine;

  before(async () => {
    machine = await Machine.start();
    machine.buildNetwork();
    await serve(machine, [PORT], [SERVER], 'inet');
  });
  after(() => machine.stop());

  test('is read anew while its policy holds and packets are decided', async () => {
    const file = join(machine.directory, 'many.txt');
    const network = (first: number, i: number) => `${first}.${(i >> 6) % 256}.${i >> 14}.${(i % 64) * 4}/30`;
    const write = (first: number) => {
      const lines = Array.from({ length: NETWORKS }, (_, i) => network(first, i));
      writeFileSync(`${file}.new`, [...lines, SERVER, ''].join('\n'));
      renameSync(`${file}.new`, file);
    };
    write(10);
    const raw = { wan: wans([1, 1, 1]), set: [`many,file=${file}`], rule: ['wan2,set=many,proto=tcp'] };
    done(machine, 'up', raw);
    const running = await startDaemon(machine, raw);
    const counts = () => JSON.parse(machine.command(['status', '--json']).stdout).queue;
    try {
      const begin = counts();
      let made = 0;
      for (const first of [20, 30]) {
        write(first);
        const isRead = `ipset test WANMARK_4_many ${network(first, NETWORKS - 1)}`;
        do {
          const lines = await machine.call(['tcp', '25', SERVER, PORT], 'client');
          assert.deepEqual(tally(lines.map(wanOf)), { 2: 25 });
          made += 25;
        } while (machine.attempt(isRead).status !== 0);
      }
      const end = counts();
      assert.equal(end.verdicts - begin.verdicts, made, 'each first packet once');
      for (const fault of ['late', 'kernelDecided', 'dropped', 'userDropped'])
        assert.equal(end[fault], 0, fault);
    } finally {
      await running.stop('SIGTERM');
    }
  });
});
