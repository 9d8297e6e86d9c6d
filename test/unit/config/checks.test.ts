import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';

const WANS = ['a,dev=eth1,via=192.0.2.1', 'b,dev=eth2,via=198.51.100.1'];

describe('--check and --on-down', () => {
  it('are none and all by default, and come from flags and the file alike', () => {
    const { checks, onDown } = parseConfig({ wan: WANS }).health;
    assert.deepEqual([checks, onDown], [[], 'all']);
    const given = parseConfig({
      wan: WANS,
      check: ['all=ping,to=192.0.2.9', { wan: 'b', check: 'tcp', to: '192.0.2.9:443' }],
      'on-down': 'udp',
    });
    assert.deepEqual(
      given.health.checks.map(({ wan, kind }) => [wan, kind]),
      [
        ['all', 'ping'],
        ['b', 'tcp'],
      ],
    );
    assert.equal(given.health.onDown, 'udp');
  });

  it('are refused for a WAN that does not exist, for bare marks and without WANs', () => {
    const check = 'all=ping,to=192.0.2.9';
    assert.throws(
      () => parseConfig({ wan: WANS, check: 'c=ping,to=192.0.2.9' }),
      /check of "c": there is no such WAN/,
    );
    assert.throws(() => parseConfig({ 'high-mark': 3, check }), /--check is for the uplinks of --wan/);
    const service = 'web,listen=192.0.2.1:80/tcp';
    assert.throws(
      () => parseConfig({ service, backend: 'web,to=10.0.0.2:80', check }),
      /check of "all": there is no such service or backend; use one of web/,
    );
    assert.throws(() => parseConfig({ wan: WANS, 'on-down': 'tcp' }), /unknown on-down "tcp"/);
  });
});

describe('--up-after, --slow-start and --on-up', () => {
  it('have defaults, and are refused outside of their ranges', () => {
    const { upAfterMs, slowStartMs, onUp } = parseConfig({ wan: WANS }).health;
    assert.deepEqual([upAfterMs, slowStartMs, onUp], [30_000, 30_000, 'udp']);
    const given = parseConfig({ wan: WANS, 'up-after': 0, 'slow-start': '3600', 'on-up': 'none' }).health;
    assert.deepEqual([given.upAfterMs, given.slowStartMs, given.onUp], [0, 3_600_000, 'none']);
    for (const key of ['up-after', 'slow-start']) {
      for (const value of ['3601', '-1', '1.5'])
        assert.throws(
          () => parseConfig({ wan: WANS, [key]: value }),
          new RegExp(`${key} "${value}" must be`),
        );
    }
    assert.throws(() => parseConfig({ wan: WANS, 'on-up': 'tcp' }), /unknown on-up "tcp"/);
  });
});

describe('--hook', () => {
  it('is a list of absolute paths, from flags and the file alike, each for 30 seconds', () => {
    const hooks = (given: object) => parseConfig({ wan: WANS, ...given }).hooks;
    assert.deepEqual(hooks({}), { files: [], timeoutMs: 30_000, user: undefined });
    assert.deepEqual(hooks({ hook: '/etc/a', 'hook-timeout': 5 }), {
      files: ['/etc/a'],
      timeoutMs: 5000,
      user: undefined,
    });
    assert.equal(hooks({ 'hook-user': 'nobody' }).user, 'nobody');
    assert.throws(() => hooks({ 'hook-user': '-n' }), /is not the name of a user/);
    assert.deepEqual(hooks({ hook: ['/etc/b', '/etc/a'] }).files, ['/etc/b', '/etc/a']);
  });

  it('is refused when a path is not absolute, when it is given twice, and without WANs', () => {
    const refuses = (given: object, complaint: RegExp) =>
      assert.throws(() => parseConfig({ wan: WANS, ...given }), complaint);
    refuses({ hook: 'hook' }, /hook "hook" must be an absolute path/);
    refuses({ hook: '' }, /hook "" must be an absolute path/);
    refuses({ hook: [{ file: '/a' }] }, /must be an absolute path/);
    refuses({ hook: ['/a', '/b', '/a'] }, /hook \/a is given twice/);
    refuses({ 'hook-timeout': 0 }, /hook-timeout "0" must be a whole number/);
    refuses({ 'hook-timeout': 3601 }, /hook-timeout "3601"/);
    assert.throws(() => parseConfig({ 'high-mark': 3, hook: '/a' }), /--hook is for the uplinks of --wan/);
    const service = { service: 'web,listen=192.0.2.1:80/tcp', backend: 'web,to=10.0.0.2:80' };
    assert.throws(() => parseConfig({ ...service, hook: '/a' }), /--hook is for the uplinks of --wan/);
  });
});
