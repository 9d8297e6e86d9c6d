import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { parseConfig } from '#wanmark/config/config.js';
import type { Check } from '#wanmark/wan/check/check.js';
import { Inquiries, type InquiryResult } from '#wanmark/wan/inquiry/inquiries.js';
import { Destinations } from '#wanmark/wan/passive/destinations.js';
import { Evidence } from '#wanmark/wan/passive/evidence.js';
import { FakeClock } from '../fake-clock.js';

const all: Inquiries[] = [];
afterEach(() => {
  for (const inquiries of all.splice(0)) inquiries.stop();
});

/** Inquiries about two WANs, of which `a` answers nothing. */
function made({
  check = [] as string[],
  asksDestinations = true,
  knows = true,
  works = ['a', 'b'],
  rttMs = 20 as number | (() => number),
} = {}) {
  const clock = new FakeClock();
  const evidence = { 4: new Evidence(), 6: new Evidence() };
  const destinations = { 4: new Destinations(), 6: new Destinations() };
  if (knows) {
    for (const n of [1, 2, 3]) destinations[4].note(`10.0.0.${n}`, `198.18.${n}.1`, 443, 'b', 0);
  }
  const findings: (InquiryResult & { at: number })[] = [];
  const asked: [wan: string, target: string][] = [];
  const suspected = new Set<string>();
  let answers = false;
  const reply: Check = async (target, { wan }) => {
    asked.push([wan, target]);
    if (wan === 'b') return { ok: true, rttMs: 20, why: '' };
    const ms = typeof rttMs === 'number' ? rttMs : rttMs();
    return answers ? { ok: true, rttMs: ms, why: '' } : { ok: false, why: 'timeout' };
  };
  const config = parseConfig({ wan: ['a,dev=e1', 'b,dev=e2'], check });
  const inquiries = new Inquiries({
    checks: config.health.checks,
    asksDestinations,
    evidence,
    destinations,
    working: () => works,
    isSuspected: (id) => suspected.has(id),
    path: (wan, family) => ({ wan, family, mark: 1, device: undefined }),
    gateway: () => undefined,
    mayFindDead: true,
    clock,
    makeCheck: () => reply,
    reach: reply,
    onFinding: (finding) => {
      findings.push({ ...finding, at: clock.now() });
      if (finding.ruling.kind === 'suspected') suspected.add(`${finding.wan}/${finding.family}`);
      else if (finding.ruling.kind !== 'dead') suspected.delete(`${finding.wan}/${finding.family}`);
    },
  });
  all.push(inquiries);
  let id = 0;
  /** Another WAN answered connections that `a` did not. */
  const doubt = (clients: readonly number[]) => {
    for (const n of clients) {
      const one = {
        id: id++,
        decidedAt: clock.now(),
        ageMs: 900,
        client: `10.0.0.${n}`,
        network: `198.18.${n}`,
      };
      evidence[4].pair('a', one);
    }
    inquiries.consider(4);
  };
  const kinds = () => findings.map(({ wan, ruling }) => `${wan} ${ruling.kind}`);
  const work = () => {
    answers = true;
  };
  return { clock, evidence, inquiries, findings, kinds, asked, doubt, work };
}

describe('Inquiries', () => {
  it('ask nobody without a doubt', () => {
    const { asked, inquiries } = made();
    inquiries.consider(4);
    assert.deepEqual(asked, []);
  });

  it('ask the destinations of clients by the WAN in doubt and by another one, and find what they answer', async () => {
    const { clock, doubt, asked, kinds } = made();
    doubt([1]);
    assert.deepEqual(new Set(asked.map(([wan]) => wan)), new Set(['a', 'b']));
    assert.deepEqual(new Set(asked.map(([, target]) => target)).size, 3);
    await clock.pass(10_000);
    assert.deepEqual(kinds(), ['a suspected', 'a dead']);
  });

  it('ask the targets of the checks that are for the WAN, but run no script', async () => {
    const check = [
      'all=tcp,to=192.0.2.1:53',
      'b=tcp,to=192.0.2.2:53',
      'all=script,to=/bin/true',
      'all=ping,to=2001:db8::1',
    ];
    const { doubt, asked } = made({ check, asksDestinations: false });
    doubt([1]);
    assert.deepEqual([...new Set(asked.map(([, target]) => target))], ['192.0.2.1:53']);
  });

  it('go no further about a WAN with an inquiry, nor about the only one that works', async () => {
    const { doubt, asked } = made();
    doubt([1]);
    const before = asked.length;
    doubt([2]);
    assert.equal(asked.length, before);
    const alone = made({ works: ['a'] });
    alone.doubt([1, 2, 3]);
    assert.deepEqual(alone.asked, []);
  });

  it('wait longer after each one that found nothing, but only a second where several clients ask', async () => {
    const { clock, doubt, work, kinds } = made();
    work();
    const startsWithin = async (seconds: number, clients: number[]) => {
      const before = kinds().length;
      for (let tenth = 0; tenth < 10 * seconds; tenth++) {
        doubt(clients);
        await clock.pass(100);
      }
      return kinds().length - before;
    };
    assert.equal(await startsWithin(60, [1]), 5, 'after 0, 2, 6, 14 and 30 s');
    assert.ok((await startsWithin(10, [1, 2, 3])) >= 9);
  });

  it('end with the answer of a client that was decided later, which acquits the WAN', async () => {
    const { clock, doubt, evidence, inquiries, kinds } = made();
    doubt([1]);
    await clock.pass(1000);
    assert.deepEqual(kinds(), ['a suspected']);
    evidence[4].answered('a', 900, 0, 1000);
    inquiries.consider(4);
    assert.deepEqual(kinds(), ['a suspected', 'a answered']);
  });

  it('learn how slow the WAN is from its answer', async () => {
    const { clock, doubt, work, evidence } = made({ rttMs: 1500 });
    work();
    assert.equal(evidence[4].times('a').patienceMs(0), 900);
    doubt([1]);
    await clock.pass(100);
    // The second measurement.
    await setImmediate();
    assert.equal(evidence[4].times('a').patienceMs(100), 2900);
  });

  it('do not take a WAN for slow that answers what it was asked before it was back', async () => {
    const times = [1050, 1050, 1050, 30];
    const { clock, doubt, work, evidence } = made({ rttMs: () => times.shift() ?? 30 });
    work();
    doubt([1]);
    await clock.pass(100);
    await setImmediate();
    assert.deepEqual([times.length, evidence[4].times('a').patienceMs(100)], [0, 900]);
  });

  it('avoid a WAN for ten seconds where nobody can be asked, and only if several clients and networks say so', async () => {
    const { clock, doubt, kinds, findings } = made({ asksDestinations: false });
    doubt([1]);
    doubt([1, 1, 1]);
    assert.deepEqual(kinds(), []);
    doubt([1, 2, 3]);
    assert.deepEqual(kinds(), ['a suspected']);
    assert.match(JSON.stringify(findings[0]!.ruling), /nobody could be asked/);
    doubt([1, 2, 3]);
    await clock.pass(9999);
    assert.deepEqual(kinds(), ['a suspected']);
    await clock.pass(1);
    assert.deepEqual(kinds(), ['a suspected', 'a unknown']);
    doubt([1, 2]);
    assert.equal(kinds().length, 2);
  });

  it('stop for a WAN that another source knows better about', async () => {
    for (const asksDestinations of [true, false]) {
      const { clock, doubt, inquiries, kinds } = made({ asksDestinations });
      doubt([1, 2, 3]);
      await clock.pass(500);
      inquiries.end('a', 4);
      const before = kinds().length;
      await clock.pass(60_000);
      assert.equal(kinds().length, before);
    }
  });
});
