import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { MOST_CLIENTS, StickyTable } from '#wanmark/core/stickiness.js';
import { ClientCopies } from '#wanmark/daemon/client-copies.js';
import type { Placing } from '#wanmark/system/client-sets.js';

const HOUR = 3_600_000;

/** The kernel's sets of one policy; they can be taken away. */
class FakeSets {
  readonly clients = new Map<string, { member: string; seconds: number }>();
  readonly sizes: number[] = [];
  areThere = true;

  read() {
    return [...this.clients].map(([key, rest]) => ({ key, ...rest }));
  }

  place(placings: readonly Placing[], seconds: number): boolean {
    if (!this.areThere) return false;
    this.sizes.push(placings.length);
    for (const { key, member } of placings) {
      if (member === undefined) this.clients.delete(key);
      else this.clients.set(key, { member, seconds });
    }
    return true;
  }
}

describe('ClientCopies', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
  afterEach(() => mock.timers.reset());

  function begin(most?: number) {
    const sets = new FakeSets();
    const table = new StickyTable(HOUR, () => 0, most);
    return { sets, table, copies: () => new ClientCopies(table, sets, HOUR) };
  }

  it('takes up what the kernel has, and writes what is new, with some leeway', () => {
    const { sets, table, copies } = begin();
    sets.clients.set('10.0.0.1', { member: 'fibre', seconds: 60 });
    copies();
    assert.equal(table.get('10.0.0.1'), 'fibre');
    table.keep('10.0.0.1', 'fibre');
    table.keep('10.0.0.2', 'dsl');
    mock.timers.tick(50);
    assert.deepEqual(sets.clients.get('10.0.0.2'), { member: 'dsl', seconds: 3960 });
    assert.deepEqual(sets.clients.get('10.0.0.1'), { member: 'fibre', seconds: 60 }, 'not worth it yet');
  });

  it('writes many in parts, each client once', () => {
    const { sets, table, copies } = begin();
    copies();
    for (let i = 0; i < 600; i++) table.keep(`${i}`, 'fibre');
    table.keep('1', 'dsl');
    mock.timers.tick(50);
    assert.deepEqual(sets.sizes, [250]);
    mock.timers.tick(50);
    mock.timers.tick(50);
    assert.deepEqual(sets.sizes, [250, 250, 100]);
    assert.equal(sets.clients.get('1')?.member, 'dsl');
  });

  it('takes out whoever was forgotten to make room', () => {
    const { sets, table, copies } = begin(1);
    copies();
    table.keep('a', 'fibre');
    mock.timers.tick(50);
    table.keep('b', 'dsl');
    mock.timers.tick(50);
    assert.deepEqual([...sets.clients.keys()], ['b']);
  });

  it('takes out what the kernel had beyond what the table holds', () => {
    const { sets, copies } = begin(2);
    for (const [key, seconds] of Object.entries({ a: 60, b: 50, c: 70 }))
      sets.clients.set(key, { member: 'fibre', seconds });
    copies();
    mock.timers.tick(50);
    assert.deepEqual([...sets.clients.keys()], ['a', 'c']);
  });

  it('lets a bounded number of changes wait, and never those of clients that the table has', () => {
    const { sets, table, copies } = begin(100);
    const copy = copies();
    for (let i = 0; i < 400_000; i++) table.keep(`${i}`, 'fibre');
    copy.stop();
    const written = sets.sizes.reduce((sum, size) => sum + size, 0);
    assert.ok(written <= 2 * MOST_CLIENTS + 100, `${written} waited`);
    assert.deepEqual(
      [...sets.clients.keys()],
      table.all().map(({ key }) => key),
    );
  });

  it('writes everything once the sets are there', () => {
    const { sets, table, copies } = begin();
    sets.areThere = false;
    const copy = copies();
    table.keep('a', 'fibre');
    mock.timers.tick(50);
    table.keep('b', 'dsl');
    mock.timers.tick(5000);
    assert.equal(copy.isWritten, false);
    sets.areThere = true;
    mock.timers.tick(5000);
    assert.equal(copy.isWritten, true);
    assert.deepEqual([...sets.clients.keys()].toSorted(), ['a', 'b']);
  });

  it('writes what is left at the end, and nothing after it', () => {
    const { sets, table, copies } = begin();
    const copy = copies();
    for (let i = 0; i < 300; i++) table.keep(`${i}`, 'fibre');
    copy.stop();
    assert.equal(sets.clients.size, 300);
    table.keep('late', 'fibre');
    mock.timers.tick(100);
    assert.equal(sets.clients.size, 300);
  });
});
