/**
 * Real configurations of mwan3, VyOS, EdgeOS and others (test/corpus): each is imported and taken, and connections go where
 * its author meant them to, by the kernel's own choice and with the daemon, with every uplink up, with each one down, and
 * with none. test/plan/corpus.test.ts follows all of them through the plan; here are a few, which have each construct once.
 * `WANMARK_CORPUS=all` (`npm run test:corpus`) tries all, and a name (01, edgeos) those whose names contain it.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { parse } from 'yaml';
import type { RawConfig } from '#wanmark/config/options.js';
import { type Fixture, type Intent, readCorpus, wayOf } from '../corpus/fixture.js';
import { readOurs } from '../corpus/import.js';
import { addon, needs, nfqueue, program } from '../helpers/requires.js';
import { type ConfiguredWan, CorpusMachine, withoutChecks } from './corpus-machine.js';
import { type Peer, WANMARK } from './rules-harness.js';

type Chooser = 'kernel' | 'daemon';

/** Connections of a kind, while all uplinks are up: enough for every one that shares them to have its part. */
const MANY = 8;

/** Sources, targets, sets and ports; both families, and what is never left; VyOS with exclusions; EdgeOS. */
const FEW = ['07', '18', '21', '29'];
const wanted = process.env.WANMARK_CORPUS;
const parts = wanted === undefined ? FEW : [wanted === 'all' ? '' : wanted];
const corpus = readCorpus().filter(({ name }) => parts.some((part) => name.includes(part)));

describe('the corpus', needs(nfqueue, addon, program('ipset')), () => {
  let it: CorpusMachine;

  before(async () => {
    it = await CorpusMachine.start();
  });
  after(() => it.machine.stop());

  const run = (...args: string[]) => {
    const result = it.machine.command(args);
    assert.equal(result.status, 0, `${args.join(' ')}: ${result.stderr}`);
    return result.stdout;
  };

  const imported = (fixture: Fixture): RawConfig => {
    const { program, path, network } = fixture;
    if (program === 'wanmark') return readOurs(fixture);
    const beside = network === undefined ? [] : ['--network', network];
    return parse(run('import', program, path, ...beside));
  };

  const startDaemon = async (config: RawConfig): Promise<Peer> => {
    const quick = { ...config, deadline: '10000', 'up-after': '0', 'slow-start': '0' };
    const peer = await it.machine.peer(['run', '--config', it.machine.configFile(quick)], undefined, WANMARK);
    for (let line = await peer.line(); !line?.includes('"msg":"started"'); line = await peer.line())
      assert.notEqual(line, undefined, 'the daemon has ended');
    return peer;
  };

  /** What the kernel goes by while no daemon runs. */
  const refresh = (down: readonly string[]) => {
    const { status, stderr } = it.machine.refresh({ down: down.join(' '), weights: {} });
    assert.equal(status, 0, stderr);
  };

  /** What is not as it was meant. @param state who chooses, for messages */
  const compare = async (intents: readonly Intent[], down: readonly string[], state: Chooser) => {
    const wrong: string[] = [];
    /** The uplinks that each group was seen by, since intents that share one take turns. */
    const shared = new Map<string, Set<string>>();
    await Promise.all(
      intents.map(async (intent) => {
        const way = wayOf(intent, down);
        const allowed = typeof way !== 'string' ? way : [way === 'main' ? it.mainOf(intent.family) : way];
        const isFull = down.length === 0 && allowed.length > 1;
        // Of pairs the kernel alone knows nothing.
        const isSticky = intent.sticky === 'client' || (intent.sticky === 'pair' && state === 'daemon');
        const seen = new Set(await it.seen(intent, isFull ? MANY : 1, allowed[0] === 'refused'));
        const isRight = seen.size > 0 && [...seen].every((one) => allowed.includes(one));
        if (!isRight || (isSticky && seen.size > 1))
          wrong.push(`${state}, down: ${down}: ${intent.text}, but by ${[...seen]}`);
        if (!isFull || isSticky || intent.own) return;
        const group = allowed.join('+');
        shared.set(group, new Set([...(shared.get(group) ?? []), ...seen]));
      }),
    );
    // The kernel draws; the daemon counts them out.
    if (state === 'kernel') return wrong;
    const idle = [...shared].filter(([group, seen]) => seen.size < group.split('+').length);
    return [...wrong, ...idle.map(([group, seen]) => `${state}: ${group}, but by ${[...seen]} alone`)];
  };

  for (const fixture of corpus) {
    test(fixture.name, async () => {
      const { intents, sets } = fixture;
      const config = imported(fixture);
      const wans = config.wan as unknown as readonly ConfiguredWan[];
      const names = wans.map(({ name }) => name);
      const states = [[], ...names.map((name) => [name]), names];
      it.build(wans, intents, sets);
      run('up', '--config', it.machine.configFile(config));
      const wrong: string[] = [];
      for (const down of states) {
        refresh(down);
        wrong.push(...(await compare(intents, down, 'kernel')));
      }
      refresh([]);
      const daemon = await startDaemon(withoutChecks(config));
      try {
        let last: readonly string[] = [];
        for (const down of states) {
          for (const name of last.filter((one) => !down.includes(one))) run('set', name, 'state=auto');
          for (const name of down.filter((one) => !last.includes(one))) run('set', name, 'state=down');
          last = down;
          wrong.push(...(await compare(intents, down, 'daemon')));
        }
      } finally {
        await daemon.stop('SIGKILL');
        run('down');
      }
      assert.deepEqual(wrong, []);
    });
  }
});
