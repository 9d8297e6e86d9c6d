/** src_valid_mark is set only where strict rp_filter needs it. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { MAIN } from '../helpers/main.js';
import { needs, nfqueue } from '../helpers/requires.js';
import { Machine, wans } from './rules-harness.js';

const CONF = '/proc/sys/net/ipv4/conf';
/** As in a container that is not privileged. */
const READ_ONLY = 'mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys &&';

describe('src_valid_mark', needs(nfqueue), () => {
  let machine: Machine;
  const config = { wan: wans([1, 1]) };
  const set = (settings: Record<string, number>) =>
    machine.sh(
      Object.entries(settings)
        .map(([key, value]) => `echo ${value} > ${CONF}/${key}`)
        .join('\n'),
    );
  const values = () => machine.sh(`cat ${CONF}/w1/src_valid_mark ${CONF}/w2/src_valid_mark`);

  before(async () => {
    machine = await Machine.start();
    machine.buildNetwork();
  });
  after(() => machine.stop());

  for (const mode of [0, 2]) {
    test(`is left alone where rp_filter is ${mode}, and /proc/sys need not be writable`, () => {
      set({ 'all/rp_filter': mode, 'w1/rp_filter': mode, 'w2/rp_filter': mode });
      const up = machine.wanmark('up', config, { before: `unshare -m sh -c '${READ_ONLY} exec "$@"' sh` });
      assert.equal(up.status, 0, up.stderr);
      assert.equal(values(), '0\n0\n');
      assert.equal(machine.wanmark('down').status, 0);
    });
  }

  test('follows rp_filter: the larger of the values for all and for the device counts', () => {
    set({ 'all/rp_filter': 0, 'w1/rp_filter': 1, 'w2/rp_filter': 2 });
    assert.equal(machine.wanmark('up', config).status, 0);
    assert.equal(values(), '1\n0\n');
    set({ 'all/rp_filter': 1, 'w2/rp_filter': 0 });
    assert.equal(machine.wanmark('refresh').status, 0);
    assert.equal(values(), '1\n1\n');
    set({ 'all/rp_filter': 2 });
    assert.equal(machine.wanmark('check').status, 0, 'nothing is missing');
    assert.equal(machine.wanmark('refresh').status, 0);
    assert.equal(values(), '0\n0\n');
    set({ 'all/rp_filter': 1, 'all/src_valid_mark': 1 });
    assert.equal(machine.wanmark('refresh').status, 0);
    assert.equal(values(), '0\n0\n', 'the setting for all holds for each device');
    assert.equal(machine.wanmark('down').status, 0);
  });

  test('is followed by a printed script as well', () => {
    const script = `${machine.directory}/printed.sh`;
    machine.sh(`node "$WANMARK" print --config "$FILE" > ${script}`, {
      WANMARK: MAIN,
      FILE: machine.configFile(config),
    });
    set({ 'all/rp_filter': 0, 'all/src_valid_mark': 0, 'w1/rp_filter': 1, 'w2/rp_filter': 2 });
    machine.sh(`sh ${script}`);
    assert.equal(values(), '1\n0\n');
    machine.sh(`sh ${script} down`);
    assert.equal(values(), '0\n0\n');
  });
});
