import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Logger, pino, stdTimeFunctions } from 'pino';
import { Pool } from '#wanmark/core/pool.js';
import { States } from '#wanmark/core/states.js';
import type { DeviceNames } from '#wanmark/daemon/device-names.js';
import { markLog } from '#wanmark/daemon/mark-log.js';
import { NOW } from '#wanmark/daemon/moment.js';
import type { Label } from '#wanmark/daemon/pool-set.js';
import { flow, poolOf, statesOf, wan } from '../flows.js';

const FLOWS = [
  flow(),
  flow({ family: 6, src: '2001:db8::10', dst: '2001:db8:ff::1', proto: 17, protoName: 'udp', sport: 5353 }),
  flow({ proto: 1, protoName: 'icmp', sport: 77, dport: 0x0800 }),
  flow({ inIfindex: 0 }),
  flow({ inIfindex: 1 }),
];
const BYTES = () => new Uint8Array(128);
const devices = { name: (ifindex: number) => (ifindex === 1 ? 'a"b' : `dev${ifindex}`) } as DeviceNames;

/** A pool whose strategy has this name; the strategy is never asked. */
function poolNamed(name: string, strategy: string, wans = [wan(1), wan(2)]) {
  const { members } = poolOf(wans, { pick: assert.fail }, statesOf(wans));
  return new Pool({
    name,
    members: members.map(({ target, configured }) => ({ target, candidate: configured })),
    strategy: { name: strategy, strategy: { pick: assert.fail } },
    states: new States([]),
    onFault: assert.fail,
  });
}

const wanLabel: Label = (_pool, { configured }) => ({ wan: configured.name });

const now = (_date: number, call: () => void): void => call();

/** The text of a log, made by the logger alone or with lines made beside it. */
function written(log: (logger: Logger, line: ((text: string) => void) | undefined) => void) {
  return [false, true].map((ready) => {
    const lines: string[] = [];
    const add = (text: string) => void lines.push(text);
    const logger: Logger = pino({ base: null, timestamp: stdTimeFunctions.isoTime }, { write: add });
    log(logger, ready ? add : undefined);
    return lines.map((line) => {
      const at = /"time":"([^"]+)"/.exec(line)![1]!;
      assert.ok(Math.abs(Date.parse(at) - Date.now()) < 60_000, at);
      return line.replace(at, 'TIME');
    });
  });
}

describe('the mark log', () => {
  it('writes by itself what the logger would, to the byte', () => {
    const [logged, ready] = written((logger, line) => {
      const pool = poolNamed('wans', 'mine"\\.js');
      const log = markLog(wanLabel, { logger, line, devices, packet: false, dated: now });
      for (const member of pool.members) for (const one of FLOWS) log(pool, member, one, BYTES, NOW);
    });
    assert.equal(logged!.length, 10);
    assert.deepEqual(ready, logged);
    assert.equal(JSON.parse(ready![0]!).strategy, 'mine"\\.js');
    assert.equal(JSON.parse(ready![4]!).in, 'a"b');
    assert.ok(ready!.every((line) => line.endsWith('\n')));
  });

  it('does the same for services, whose backends may have the same names', () => {
    const backend = wan(3, { name: '192.168.1.3' });
    const pools = ['web', 'mail'].map((name) => poolNamed(name, 'weighted', [backend]));
    const label: Label = (pool, { configured }) => ({ service: pool.name, backend: configured.name });
    const [logged, ready] = written((logger, line) => {
      const log = markLog(label, { logger, line, devices, packet: false, dated: now });
      for (const pool of pools) for (const one of FLOWS) log(pool, pool.members[0]!, one, BYTES, NOW);
    });
    assert.equal(logged!.length, 10);
    assert.deepEqual(ready, logged);
    assert.deepEqual(
      [0, 5].map((i) => JSON.parse(ready![i]!).service),
      ['web', 'mail'],
    );
  });

  it('leaves packets to the logger', () => {
    const [logged, ready] = written((logger, line) => {
      const pool = poolNamed('wans', 'weighted');
      markLog(wanLabel, { logger, line, devices, packet: true, dated: now })(
        pool,
        pool.members[0]!,
        flow(),
        BYTES,
        NOW,
      );
    });
    assert.deepEqual(ready, logged);
    assert.match(logged![0]!, /"packet":"/);
  });
});
