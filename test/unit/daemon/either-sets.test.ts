/** The kernel's sets of clients, of which one kind is there at a time. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EitherSets } from '#wanmark/daemon/either-sets.js';
import type { Placing } from '#wanmark/system/client-sets.js';

class Kind {
  isThere = true;
  readonly placed: Placing[] = [];

  read() {
    return this.isThere
      ? this.placed.map(({ key, member }) => ({ key, member: member ?? 'none', seconds: 1 }))
      : [];
  }

  place(placings: readonly Placing[]): boolean {
    if (this.isThere) this.placed.push(...placings);
    return this.isThere;
  }
}

describe('EitherSets', () => {
  it('goes over to the other kind when its own is gone, and says so once', () => {
    const [first, second] = [new Kind(), new Kind()];
    second.isThere = false;
    const sets = new EitherSets([first, second]);
    const [a, b] = [
      { key: 'a', member: 'wan1' },
      { key: 'b', member: 'wan2' },
    ];
    assert.ok(sets.place([a], 1));
    first.isThere = false;
    second.isThere = true;
    assert.equal(sets.place([b], 1), false, 'all has to be written anew');
    assert.ok(sets.place([a, b], 1));
    assert.deepEqual([first.placed, second.placed], [[a], [a, b]]);
    assert.equal(sets.read().length, 2);
  });
});
