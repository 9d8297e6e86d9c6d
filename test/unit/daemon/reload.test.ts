import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { type Config, parseConfig } from '#wanmark/config/config.js';
import { rejectFixedChanges } from '#wanmark/config/difference.js';
import type { RawConfig } from '#wanmark/config/options.js';
import { type Prepared, Reloads } from '#wanmark/daemon/reload.js';
import type { Strategies } from '#wanmark/daemon/strategies.js';
import { UsageError } from '#wanmark/errors.js';

const FROM: RawConfig = { wan: ['fibre,dev=eth1,weight=5'] };

/** A daemon that goes by its file; `file` may be a mistake. */
function made() {
  const world = { file: FROM as RawConfig | Error, refusal: undefined as Error | undefined, rules: 5 };
  let current: Config = parseConfig(FROM);
  const done: string[] = [];
  const reloads = new Reloads({
    logger: pino({ enabled: false }),
    read: async (): Promise<Prepared> => {
      if (world.file instanceof Error) throw world.file;
      const config = parseConfig(world.file);
      rejectFixedChanges(current, config);
      return {
        raw: world.file,
        config,
        strategies: {} as Strategies,
        firewall: undefined,
        doubts: ['a doubt'],
        located: async (error) => error,
      };
    },
    current: () => current,
    rulesDifference: ({ config }) => {
      const now = `~ fibre weight ${world.rules} -> ${config.wans[0]!.weight}`;
      return world.rules === config.wans[0]!.weight ? [] : [now];
    },
    goOver: async (next) => {
      const weight = next.config.wans[0]!.weight;
      done.push(`to ${weight}`);
      await new Promise((resolve) => setImmediate(resolve));
      if (world.refusal !== undefined) throw world.refusal;
      current = next.config;
      world.rules = weight;
      done.push(`at ${weight}`);
    },
    onReload: ({ lines, error }) => done.push(error ?? `told ${lines.join()}`),
  });
  const weigh = (weight: number) => {
    world.file = { wan: [`fibre,dev=eth1,weight=${weight}`] };
  };
  return { world, reloads, done, weigh };
}

describe('Reloads', () => {
  it('go over to what the file says now, one after the other, and tell of it', async () => {
    const { reloads, done, weigh } = made();
    weigh(3);
    const first = reloads.reload(false);
    const second = reloads.reload(false);
    assert.deepEqual(await first, { lines: ['~ fibre weight 5 -> 3'], doubts: ['a doubt'] });
    assert.deepEqual((await second).lines, []);
    assert.deepEqual(done, ['to 3', 'at 3', 'told ~ fibre weight 5 -> 3', 'to 3', 'at 3', 'told ']);
  });

  it('only say what they would change in a dry run', async () => {
    const { reloads, done, weigh } = made();
    weigh(3);
    assert.deepEqual((await reloads.reload(true)).lines, ['~ fibre weight 5 -> 3']);
    assert.deepEqual(done, []);
  });

  it('say what changes of the rules where these are of another configuration than the daemon', async () => {
    const { world, reloads, weigh } = made();
    world.rules = 9;
    const rules = ['rules: ~ fibre weight 9 -> 5'];
    assert.deepEqual((await reloads.reload(true)).lines, rules);
    weigh(3);
    const both = ['~ fibre weight 5 -> 3', 'rules: ~ fibre weight 9 -> 3'];
    assert.deepEqual((await reloads.reload(false)).lines, both);
    assert.deepEqual((await reloads.reload(true)).lines, []);
  });

  it('name all that needs another daemon at once, and leave the rest alone, too', async () => {
    const { world, reloads, done } = made();
    world.file = { wan: ['fibre,dev=eth1,weight=3'], mask: '0xff00', queues: '2', 'queue-length': '9' };
    const refused =
      /needs another daemon: mask 0x3f000000 -> 0xff00, queues 1 -> 2, queue-length 8192 -> 9; undo/;
    await assert.rejects(reloads.reload(true), refused);
    await assert.rejects(reloads.reload(false), refused);
    assert.equal(done.length, 1);
    assert.match(done[0]!, refused);
  });

  it('go on after one that failed', async () => {
    const { world, reloads, done, weigh } = made();
    world.file = new UsageError('wan.yaml is wrong');
    await assert.rejects(reloads.reload(false), /wan.yaml is wrong/);
    weigh(3);
    world.refusal = new Error('no lock');
    await assert.rejects(reloads.reload(false), /no lock/);
    world.refusal = undefined;
    assert.deepEqual((await reloads.reload(false)).lines, ['~ fibre weight 5 -> 3']);
    assert.deepEqual(done, [
      'wan.yaml is wrong',
      'to 3',
      'no lock',
      'to 3',
      'at 3',
      'told ~ fibre weight 5 -> 3',
    ]);
  });

  it('end with the one that is under way', async () => {
    const { reloads, done, weigh } = made();
    weigh(3);
    const last = reloads.reload(false);
    while (done.length === 0) await Promise.resolve();
    await reloads.stop();
    assert.equal(done.at(-1), 'told ~ fibre weight 5 -> 3');
    await last;
    await assert.rejects(reloads.reload(false), /about to end/);
  });
});
