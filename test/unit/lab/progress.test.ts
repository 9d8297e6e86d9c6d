import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { WriteStream } from 'node:tty';
import { tellProgress } from '#wanmark/lab/progress.js';

/** What a stream is told of 100 connections, one after the other. */
function told(isTTY: boolean): string {
  let text = '';
  const stream = { isTTY, write: (part: string) => (text += part) } as unknown as WriteStream;
  const progress = tellProgress(stream);
  progress.step('connecting');
  for (let done = 0; done <= 100; done++) progress.progress(done, 100);
  progress.step('counting');
  progress.end();
  return text;
}

describe('the progress of the lab', () => {
  it('is a line for each quarter where nobody watches', () => {
    const lines = [25, 50, 75, 100].map((done) => `lab: ${done} of 100 connections\n`);
    assert.equal(told(false), `lab: connecting\n${lines.join('')}lab: counting\n`);
  });

  it('is a bar on a terminal, written when it grows, and ends on a line of its own', () => {
    const bars = told(true).split('\r');
    assert.equal(bars[1], `lab: [${'░'.repeat(40)}] 0/100 connections`);
    assert.equal(bars.at(-1), `lab: [${'█'.repeat(40)}] 100/100 connections\nlab: counting\n`);
    assert.equal(bars.length, 1 + 41, 'once for each character of the bar');
  });
});
