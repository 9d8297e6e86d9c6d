// IPS_NAT_CLASH: two packets of one UDP flow are both unconfirmed, and each has a DNAT of its own. The entry that is
// confirmed second lives for a second under the same original tuple (nf_ct_resolve_clash_harder), and its end must not
// count as the end of the first one.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { ConntrackCounter } from '#wanmark/conntrack/counter.js';
import { Queue } from '#wanmark/queue/queue.js';
import { conntrackTool, listed, until } from './conntrack-harness.js';
import { LOCAL, MASK, PORT, rule, Sender, scenario } from './queue-harness.js';

/** Clashes that the kernel has resolved in this namespace (conntrack -S). */
function clashes(): number {
  const stats = execFileSync('conntrack', ['-S'], { encoding: 'utf8' });
  return [...stats.matchAll(/clash_resolve=(\d+)/g)].reduce((sum, [, n]) => sum + Number(n), 0);
}

for (const family of [4, 6] as const) {
  scenario(
    import.meta.url,
    `IPv${family}: a duplicate that lost a clash does not count, and its end ends nothing`,
    async () => {
      const to = (port: number) => (family === 4 ? `127.0.0.1:${port}` : `[::1]:${port}`);
      const match = `-p udp --dport ${PORT}`;
      rule(family, `-t mangle -A OUTPUT ${match} -m mark --mark 0/${MASK} -j NFQUEUE --queue-num 0`);
      rule(family, `-t mangle -A OUTPUT ${match} -j CONNMARK --save-mark`);
      // The first packet's connection goes to one port and the second's to another.
      rule(
        family,
        `-t nat -A OUTPUT ${match} -m statistic --mode nth --every 2 --packet 0 -j DNAT --to ${to(7001)}`,
      );
      rule(family, `-t nat -A OUTPUT ${match} -j DNAT --to ${to(7002)}`);
      // Answers would prolong the connection.
      rule(family, '-t filter -A INPUT -p udp -j DROP');
      const counter = ConntrackCounter.open({ mask: MASK, highest: 3 });
      await counter.ready;
      const ends = spawn('conntrack', ['-E', '-e', 'DESTROY', '-o', 'extended']);
      let ended = '';
      ends.stdout.on('data', (data) => (ended += data));
      // The event of this entry shows that the listener is there.
      const probe = ['-p', 'udp', '-s', LOCAL[family], '-d', LOCAL[family], '--sport', '9', '--dport', '9'];
      await until(() => {
        execFileSync('conntrack', ['-I', ...probe, '-t', '60'], { stdio: 'ignore' });
        execFileSync('conntrack', ['-D', ...probe], { stdio: 'ignore' });
        return ended.includes('dport=9');
      });

      let waiting = 0;
      const queue = Queue.open({ num: 0, mask: MASK, deadlineMs: 10_000 }, (batch, count) => {
        batch.marks.fill(2, 0, count);
        waiting += count;
        counter.decided(2);
      });
      const sender = await Sender.open(family);
      // Both packets are sent in one tick, so each is a new connection before the first has its verdict.
      sender.send();
      sender.send();
      await until(() => queue.stats().verdicts === 2);
      assert.ok(waiting >= 1);
      assert.equal(clashes(), 1, 'the kernel has resolved a clash');

      // The next dump would correct a wrong count, but comes a quarter of a second later at the earliest.
      const seen = new Set<number>();
      const look = setInterval(() => seen.add(counter.count(2)), 5);
      // The duplicate expires after a second, and any dump of the table removes expired entries.
      await until(async () => (await listed()).get(2) === 1 && ended.includes(`dport=${PORT}`));
      const { dumps } = counter.stats();
      await until(() => counter.stats().dumps > dumps + 1);
      clearInterval(look);
      assert.deepEqual([...seen], [1]);
      assert.equal((await listed()).get(2), 1, 'the winner lives on');
      sender.close();
      ends.kill();
      await queue.close();
      await counter.close();
    },
    conntrackTool,
  );
}
