import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Explanations } from '#wanmark/daemon/explanations.js';
import type { Finished } from '#wanmark/system/run.js';

const QUERY = { src: '10.0.0.1', dst: '203.0.113.1:443', flags: { proto: 'udp', in: '--help' } };

/** Explanations whose process ends as it is told, with the arguments that it was given. */
function made() {
  const argvs: (readonly string[])[] = [];
  const ends: ((end: Partial<Finished>) => void)[] = [];
  const explanations = new Explanations('/run/socket', (argv) => {
    argvs.push(argv.slice(4));
    return new Promise((resolve) =>
      ends.push((end) => resolve({ code: 0, stdout: '{}\n', stderr: '', ...end })),
    );
  });
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  return { explanations, argvs, ends, settled };
}

describe('Explanations', () => {
  it('hand a question on so that no part of it is a flag', async () => {
    const { explanations, argvs, ends, settled } = made();
    const answer = explanations.explain(QUERY);
    await settled();
    const flags = ['--json', '--socket=/run/socket', '--proto=udp', '--in=--help'];
    assert.deepEqual(argvs, [['explain', ...flags, '10.0.0.1', '203.0.113.1:443']]);
    ends[0]!({});
    assert.equal(await answer, '{}\n');
  });

  it('say in a line what is wrong, and whose mistake it is', async () => {
    const { explanations, ends, settled } = made();
    for (const [code, exitCode] of [
      [2, 2],
      [1, 1],
      [124, 1],
    ] as const) {
      const answer = explanations.explain(QUERY);
      await settled();
      ends.pop()!({ code, stdout: '', stderr: 'a hint\nwanmark: DST is not an address\n' });
      const message = code === 124 ? 'no answer in 20 s' : 'DST is not an address';
      await assert.rejects(answer, { exitCode, message });
    }
  });

  it('are made one after the other, and not for any number', async () => {
    const { explanations, argvs, ends, settled } = made();
    const answers = Array.from({ length: 4 }, () => explanations.explain(QUERY));
    await assert.rejects(explanations.explain(QUERY), { code: 'BUSY' });
    for (let i = 0; i < 4; i++) {
      await settled();
      assert.equal(argvs.length, i + 1);
      ends[i]!({});
      await answers[i];
    }
    await settled();
    const next = explanations.explain(QUERY);
    await settled();
    ends[4]!({});
    await next;
  });
});
