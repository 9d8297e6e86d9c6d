import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Event } from '#wanmark/core/event.js';
import { EventFeed } from '#wanmark/web/event-feed.js';
import { FakeDaemon } from '../../helpers/fake-daemon.js';
import { eventually } from '../../helpers/router-state.js';
import { statusSample } from '../../helpers/status-sample.js';

function event(number: number): Event {
  return { number, at: '2026-03-01T12:00:00.000Z', kind: 'stop', pid: 1, uptimeSeconds: number };
}

describe('EventFeed', () => {
  it('has the last events, goes on after a daemon that was killed, and begins anew with a new journal', async () => {
    const daemon = await FakeDaemon.start(statusSample());
    daemon.events = Array.from({ length: 60 }, (_, i) => event(i + 1));
    let events: readonly Event[] = [];
    const feed = new EventFeed(daemon.socket, (all) => {
      events = all;
    });
    feed.begin();
    const numbers = async () => events.map(({ number }) => number);
    const last = (number: number) => (all: readonly number[]) => all.at(-1) === number;
    assert.deepEqual(
      await eventually(numbers, last(60), 'all events'),
      Array.from({ length: 50 }, (_, i) => i + 11),
    );
    daemon.events = [event(61)];
    daemon.cut();
    assert.equal((await eventually(numbers, last(61), 'those of the next daemon')).length, 50);
    assert.ok(daemon.asked.includes('GET /v1/events?after=60'));
    daemon.events = [event(1)];
    daemon.cut();
    assert.deepEqual(await eventually(numbers, last(1), 'those of a new journal'), [1]);
    feed.stop();
    await daemon.stop();
  });
});
