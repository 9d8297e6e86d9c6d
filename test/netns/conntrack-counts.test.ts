// The counts are compared with conntrack(8), with traffic of every kind. This also proves that the kernel's numbers
// and ours use the same filter.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { ConntrackCounter } from '#wanmark/conntrack/counter.js';
import {
  assertEqual,
  churn,
  conntrackTool,
  distance,
  FAMILIES,
  insert,
  installMarks,
  listed,
  MARKS,
  Traffic,
  until,
} from './conntrack-harness.js';
import { rule, scenario } from './queue-harness.js';

const options = { mask: 0xff, highest: 255 };
const SAMPLES = 10;
/** Making the list takes a whole core, so there is traffic between two samples; half a second of it on an idle machine. */
const CONNECTIONS = 1000;

/** Makes two connections of each kind for each mark; the TCP ones are held. */
async function someOfEach(traffic: Traffic, decided: (mark: number) => void = () => {}): Promise<void> {
  for (const family of FAMILIES) {
    for (const mark of MARKS) {
      for (let i = 0; i < 2; i++) {
        for (let kind = 0; kind < 3; kind++) decided(mark);
        await traffic.tcp(family, mark);
        await traffic.udp(family, mark);
        traffic.udpOneWay(family, mark);
      }
    }
  }
}

/** Resolves when a dump that began after the call has ended. */
async function nextDump(counter: ConntrackCounter): Promise<void> {
  // The first dump to end may have begun before the call.
  const dumps = counter.stats().dumps + 2;
  await until(() => counter.stats().dumps >= dumps);
}

scenario(
  import.meta.url,
  'entries from before the start are counted by the first dump, and their end is noticed',
  async () => {
    installMarks();
    const traffic = await Traffic.start();
    await someOfEach(traffic);
    // Nothing else tells when the unanswered datagrams have been sent.
    await until(async () => [...(await listed()).values()].join() === '12,12,12');
    const counter = ConntrackCounter.open(options);
    assert.equal(counter.count(1), 0);
    await counter.ready;
    assert.equal(counter.stats().dumps, 1);
    assert.deepEqual(
      MARKS.map((mark) => counter.count(mark)),
      [12, 12, 12],
    );
    await assertEqual(counter);
    traffic.release();
    // Connections in TIME_WAIT stay in the table for two minutes, but do not count.
    await until(() => MARKS.every((mark) => counter.count(mark) === 8));
    await assertEqual(counter);
    for (const family of FAMILIES)
      execFileSync('conntrack', ['-D', '-f', `ipv${family}`, '-p', 'udp'], { stdio: 'ignore' });
    await until(() => MARKS.every((mark) => counter.count(mark) === 0));
    await counter.close();
    traffic.stop();
  },
  conntrackTool,
);

scenario(import.meta.url, 'the thread that counts gives way to all others', async () => {
  const counter = ConntrackCounter.open(options);
  await counter.ready;
  // proc_pid_stat(5): the name in brackets is the second field, so the text behind it begins with the third.
  const nice = new Map(
    readdirSync('/proc/self/task').map((thread) => {
      const stat = readFileSync(`/proc/self/task/${thread}/stat`, 'utf8');
      const [, name, rest] = /\((.*)\) (.*)/.exec(stat)!;
      return [name!, Number(rest!.split(' ')[19 - 3])];
    }),
  );
  assert.equal(nice.get('conntrack'), 10);
  assert.equal(nice.get('node'), getPriority());
  await counter.close();
});

scenario(
  import.meta.url,
  'connections that nobody announced count all the same, of every protocol and state',
  async () => {
    installMarks();
    const live = ConntrackCounter.open(options);
    const established = ConntrackCounter.open({ ...options, established: true });
    await Promise.all([live.ready, established.ready]);
    let sport = 1000;
    for (const family of FAMILIES) {
      for (const state of [
        'SYN_SENT',
        'SYN_RECV',
        'ESTABLISHED',
        'FIN_WAIT',
        'CLOSE_WAIT',
        'LAST_ACK',
        'TIME_WAIT',
        'CLOSE',
      ]) {
        insert({ family, state, mark: 1, sport: sport++ });
      }
      insert({ family, proto: 'udp', mark: 1, sport: sport++ });
      // 10 and 11 begin with the digit 1, 0xab01 has mark 1 in the counted bits, 0x100 has 0 there.
      insert({ family, mark: 10, sport: sport++ });
      insert({ family, mark: 11, sport: sport++ });
      insert({ family, mark: 0xab02, sport: sport++ });
      insert({ family, mark: 0x100, sport: sport++ });
    }
    await Promise.all([nextDump(live), nextDump(established)]);
    const counts = (counter: ConntrackCounter) => [0, 1, 2, 10, 11, 12].map((mark) => counter.count(mark));
    assert.deepEqual(counts(live), [0, 8, 2, 2, 2, 0]);
    assert.deepEqual(counts(established), [0, 2, 2, 2, 2, 0]);
    await assertEqual(live);
    await assertEqual(established, 'established');
    await live.close();
    await established.close();
  },
  conntrackTool,
);

scenario(
  import.meta.url,
  'a burst of 300 decisions counts at once; connections that never come about do not leak',
  async () => {
    installMarks();
    // Packets with mark 2 are dropped after they are marked, as if by a FORWARD rule.
    rule(4, '-t filter -A OUTPUT -p udp --dport 6002 -j DROP');
    const traffic = await Traffic.start();
    const counter = ConntrackCounter.open(options);
    await counter.ready;
    const picks = [0, 0, 0];
    for (let i = 0; i < 300; i++) {
      // This is least-connections in its plainest form.
      const best = MARKS.reduce((a, b) => (counter.count(b) < counter.count(a) ? b : a));
      counter.decided(best);
      picks[best - 1]!++;
      traffic.udpOneWay(4, best);
    }
    assert.deepEqual(picks, [100, 100, 100]);
    assert.deepEqual(
      MARKS.map((mark) => counter.count(mark)),
      [100, 100, 100],
    );
    await until(() => counter.count(2) === 0);
    await nextDump(counter);
    assert.deepEqual(
      MARKS.map((mark) => counter.count(mark)),
      [100, 0, 100],
    );
    await assertEqual(counter);
    await counter.close();
    traffic.stop();
  },
  conntrackTool,
);

// With a buffer that stays at 4 KiB the number of lost ends depends on how busy the machine is, and the count is an
// estimate until the next dump, some seconds later. The error must be gone after that dump.
for (const [name, buffer, tolerance, settles] of [
  ['an ample event buffer, within 3 % or 50', { receiveBuffer: 8 << 20 }, 0.03, 'at rest'],
  ['overruns of 4 KiB of event buffer, within 3 % or 50', { receiveBuffer: 4096 }, 0.03, 'at rest'],
  [
    'overruns all the time',
    { receiveBuffer: 4096, mostReceiveBuffer: 4096 },
    Number.POSITIVE_INFINITY,
    'by a dump',
  ],
] as const) {
  scenario(
    import.meta.url,
    `churn, ${name}: equal once it is quiet${settles === 'by a dump' ? ' and after a dump' : ''}`,
    async () => {
      installMarks();
      const traffic = await Traffic.start();
      const counter = ConntrackCounter.open({ ...options, highest: 3, ...buffer });
      await counter.ready;
      const load = churn(traffic, (mark) => counter.decided(mark));
      const began = performance.now();
      const samples = [];
      while (samples.length < SAMPLES) {
        const { off, share, text } = await distance(counter);
        samples.push({ text, within: off <= 50 || share <= tolerance });
        const enough = load.made() + CONNECTIONS;
        await until(() => load.made() >= enough);
      }
      const seconds = (performance.now() - began) / 1000;
      load.stop();
      // The list and the counts cannot be read in the same instant, and another process may have this one's core for
      // seconds, so one sample in five may be beyond. The equality at the end shows what dumps have corrected.
      const beyond = samples.filter(({ within }) => !within);
      assert.ok(beyond.length <= SAMPLES / 5, beyond.map(({ text }) => text).join('\n'));

      const { dumpMs, overruns, intervalMs } = counter.stats();
      // The time of the last dump, and of one in advance, is not balanced by a pause yet.
      const unpaid = (2 * intervalMs) / 50;
      assert.ok(dumpMs <= 20 * seconds + unpaid, `${dumpMs} ms for dumps in ${seconds} s`);
      if (buffer.receiveBuffer > 4096) assert.equal(overruns, 0);
      else assert.ok(overruns > 0, 'no overrun');

      // Only a dump finds silently lost events, and a pause for an earlier dump may come first.
      if (settles === 'by a dump') await nextDump(counter);
      await until(async () => (await distance(counter)).off === 0);
      await counter.close();
      traffic.stop();
    },
    conntrackTool,
  );
}

scenario(
  import.meta.url,
  'a counter that starts in mid-traffic is right from its first dump on',
  async () => {
    // What is sent is remembered for long, so that a machine that makes few connections has as many after a while.
    installMarks(600);
    const traffic = await Traffic.start();
    let counter: ConntrackCounter | undefined;
    const { stop } = churn(traffic, (mark) => counter?.decided(mark));
    for (let round = 0; round < 3; round++) {
      await until(async () => (await listed()).get(1)! > 500 * (round + 1));
      counter = ConntrackCounter.open({ ...options, highest: 3 });
      await counter.ready;
      // The counting thread gives way, so on a busy machine it may be behind for a moment. An error of the first dump
      // lasts until the next one.
      let look = await distance(counter);
      const within = () => look.off <= 50 || look.share <= 0.03;
      while (!within() && counter.stats().dumps === 1) look = await distance(counter);
      assert.ok(within(), look.text);
      await counter.close();
    }
    stop();
    traffic.stop();
  },
  conntrackTool,
);
