/** A state directory that is full or read-only: each command does all of its work, or nothing and says so. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { namespaces, needs } from '../helpers/requires.js';
import { Machine, type Result, wans } from './rules-harness.js';

/** The file system of the state, in KiB; a page is the least that a file takes. */
const SIZE = 512;
const PAGE = 4;
const RUN = '/run/full/wanmark';
const config = { wan: wans([1, 1]) };

describe('a state directory', needs(namespaces), () => {
  let machine: Machine;
  let clean: string;
  const env = { WANMARK_RUN: RUN };

  before(async () => {
    machine = await Machine.start();
    machine.buildNetwork();
    machine.sh(`mkdir -p /run/full && mount -t tmpfs -o size=${SIZE}k none /run/full && mkdir ${RUN}`);
    clean = machine.snapshot();
  });
  after(() => machine.stop());

  const run = (verb: 'up' | 'refresh' | 'down') =>
    machine.wanmark(verb, verb === 'up' ? config : undefined, { env });
  const done = (result: Result) => assert.equal(result.status, 0, result.stderr);

  /** Runs a command with less and less room. @returns how often it was refused */
  function squeeze(verb: 'up' | 'refresh' | 'down', prepare: () => void, after: () => string): number {
    let refusals = 0;
    for (const pages of [1, 3, 8, 25]) {
      prepare();
      const before = machine.snapshot();
      machine.sh(
        `dd if=/dev/zero of=/run/full/fill bs=1k 2>/dev/null || :; truncate -s -${pages * PAGE}k /run/full/fill`,
      );
      const { status, stderr } = run(verb);
      machine.sh('rm /run/full/fill');
      const what = `${verb} with ${pages * PAGE} KiB: ${stderr}`;
      if (status === 0) assert.equal(machine.snapshot(), after(), what);
      else {
        refusals++;
        assert.equal(status, 1, what);
        assert.match(stderr, /^wanmark: cannot write /m, what);
        assert.equal(machine.snapshot(), before, what);
        // Where it was not done, nothing stands in the way of doing it.
        done(run(verb));
        assert.equal(machine.snapshot(), after(), what);
      }
      assert.equal(machine.sh(`ls -d ${RUN}/plan.* ${RUN}/work 2>/dev/null || :`), '', what);
    }
    return refusals;
  }

  test('that is full', () => {
    done(run('up'));
    const whole = machine.snapshot();
    done(run('down'));
    const up = () => {
      if (machine.snapshot() === clean) done(run('up'));
    };
    const refused = squeeze(
      'up',
      () => done(run('down')),
      () => whole,
    );
    assert.ok(refused > 1, `${refused} of up`);
    const damaged = () => {
      up();
      machine.sh('iptables -t mangle -F WANMARK; ip rule del protocol 119');
    };
    assert.ok(squeeze('refresh', damaged, () => whole) > 1);
    assert.ok(squeeze('down', up, () => clean) > 0);
  });

  test('that is read-only', () => {
    machine.sh('mount -o remount,ro /run/full');
    for (const verb of ['up', 'down', 'refresh'] as const) {
      const before = machine.snapshot();
      const { status, stderr } = run(verb);
      assert.equal(status, 1, stderr);
      assert.match(stderr, /^wanmark: [^\n]*(cannot write|is not up)[^\n]*\n$/);
      assert.equal(machine.snapshot(), before);
    }
    machine.sh('mount -o remount,rw /run/full');
  });
});
