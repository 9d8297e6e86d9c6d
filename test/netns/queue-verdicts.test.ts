import assert from 'node:assert/strict';
import { COPY_BYTES } from '#wanmark/core/batch.js';
import { Queue } from '#wanmark/queue/queue.js';
import {
  always,
  assertConsistent,
  counter,
  type Family,
  installRules,
  LOCAL,
  MASK,
  marks,
  PORT,
  Receiver,
  rule,
  Sender,
  scenario,
  senders,
} from './queue-harness.js';

for (const family of [4, 6] as const satisfies Family[]) {
  scenario(import.meta.url, `IPv${family}: control, nobody has the queue open`, async () => {
    installRules(family);
    const receiver = await Receiver.open(family);
    const sender = await Sender.open(family);
    sender.send();
    await receiver.until(1);
    assert.deepEqual(marks(family), [1, 0, 0, 0]);
    sender.close();
    receiver.close();
  });

  scenario(import.meta.url, `IPv${family}: a mark, and the bits beside it survive`, async () => {
    rule(family, '-t raw -A OUTPUT -p udp -j MARK --set-mark 0xabcd0000');
    installRules(family);
    rule(family, `-t mangle -A POSTROUTING -p udp -j CONNMARK --save-mark --nfmask ${MASK} --ctmask ${MASK}`);
    const exact = '--mark 0xabcd0002 -m connmark --mark 2';
    rule(family, `-t mangle -A POSTROUTING -p udp -m mark ${exact} -m comment --comment exact`);
    const queue = Queue.open({ num: 0, mask: MASK }, always(2));
    const receiver = await Receiver.open(family);
    const sender = await Sender.open(family);
    sender.send('hello');
    await receiver.until(1);
    assert.deepEqual(receiver.received, ['hello']);
    assert.equal(counter(family, 'exact'), 1);
    assert.equal(queue.stats().decisions, 1);
    await assertConsistent(queue);
    sender.close();
    receiver.close();
    await queue.close();
  });

  scenario(
    import.meta.url,
    `IPv${family}: three datagrams of a flow before any verdict get one mark`,
    async () => {
      installRules(family);
      let next = 1;
      const queue = Queue.open(
        { num: 0, mask: MASK, deadlineMs: 10_000, cacheMs: 60_000 },
        (batch, count) => {
          for (let i = 0; i < count; i++) batch.marks[i] = next++;
        },
      );
      const receiver = await Receiver.open(family);
      const [first, second] = (await senders(family, 2)) as [Sender, Sender];
      for (let i = 0; i < 3; i++) first.send();
      second.send();
      await receiver.until(4);
      assert.deepEqual(marks(family), [0, 3, 1, 0]);
      assert.equal(queue.stats().decisions, 2);
      assert.equal(queue.stats().cacheHits, 2);
      await assertConsistent(queue);

      // When its mark is forgotten, the flow is decided anew.
      assert.equal(queue.forget(1), 1);
      first.send();
      await receiver.until(5);
      assert.deepEqual(marks(family), [0, 3, 1, 1]);
      first.close();
      second.close();
      receiver.close();
      await queue.close();
    },
  );

  scenario(import.meta.url, `IPv${family}: decide gets the fields of a packet`, async () => {
    rule(family, '-t raw -A OUTPUT -p udp -j MARK --set-mark 0x7700');
    installRules(family);
    const told: unknown[] = [];
    const queue = Queue.open({ num: 0, mask: MASK }, (batch, count) => {
      const size = family === 4 ? 4 : 16;
      told.push({
        count,
        capacity: batch.capacity,
        family: batch.family[0],
        proto: batch.proto[0],
        flags: batch.flags[0],
        src: [...batch.src.subarray(0, size)],
        dst: [...batch.dst.subarray(0, size)],
        sport: batch.sport[0],
        dport: batch.dport[0],
        inIfindex: batch.inIfindex[0],
        outIfindex: batch.outIfindex[0],
        oldMark: batch.oldMark[0],
        length: batch.length[0],
        mac: batch.mac[0],
        copied: batch.copied[0],
        tail: Buffer.from(batch.bytes.subarray(0, batch.copied[0])).toString('latin1').slice(-4),
        marks: [...batch.marks.subarray(0, count)],
      });
      batch.marks[0] = 1;
    });
    const receiver = await Receiver.open(family);
    const sender = await Sender.open(family);
    sender.send(`${'y'.repeat(996)}last`);
    await receiver.until(1);
    const headers = family === 4 ? 28 : 48;
    const address = family === 4 ? [127, 0, 0, 1] : [...new Array(15).fill(0), 1];
    assert.deepEqual(told, [
      {
        count: 1,
        capacity: 128,
        family,
        proto: 17,
        flags: 0,
        src: address,
        dst: address,
        sport: sender.socket.address().port,
        dport: PORT,
        inIfindex: 0,
        outIfindex: 1,
        oldMark: 0x7700,
        length: headers + 1000,
        mac: 0,
        copied: COPY_BYTES,
        tail: 'yyyy',
        marks: [0],
      },
    ]);
    assert.equal(sender.socket.address().address, LOCAL[family]);
    sender.close();
    receiver.close();
    await queue.close();
  });
}

scenario(import.meta.url, 'a one-way stream is queued once, given rules that restore its mark', async () => {
  rule(
    4,
    `-t mangle -A OUTPUT -m mark --mark 0/${MASK} -j CONNMARK --restore-mark --nfmask ${MASK} --ctmask ${MASK}`,
  );
  installRules(4);
  rule(4, `-t mangle -A POSTROUTING -p udp -j CONNMARK --save-mark --nfmask ${MASK} --ctmask ${MASK}`);
  const queue = Queue.open({ num: 0, mask: MASK, cacheMs: 0 }, always(3));
  const receiver = await Receiver.open(4);
  const sender = await Sender.open(4);
  for (let i = 1; i <= 50; i++) {
    sender.send();
    await receiver.until(i);
  }
  assert.deepEqual(marks(4), [0, 0, 0, 50]);
  assert.equal(queue.stats().packets, 1);
  sender.close();
  receiver.close();
  await queue.close();
});

scenario(import.meta.url, 'repeat begins the table again, accept goes to the next one', async () => {
  installRules(4);
  const receiver = await Receiver.open(4);
  const options = { num: 0, mask: MASK, cacheMs: 0 } as const;
  const repeating = Queue.open(options, always(1));
  const sender = await Sender.open(4);
  sender.send();
  await receiver.until(1);
  assert.equal(counter(4, 'guard'), 1);
  await repeating.close();

  const accepting = Queue.open({ ...options, verdict: 'accept' }, always(2));
  sender.send();
  await receiver.until(2);
  assert.equal(counter(4, 'guard'), 1);
  assert.equal(counter(4, 'behind'), 0);
  await accepting.close();
  assert.deepEqual(marks(4), [0, 1, 1, 0]);
  sender.close();
  receiver.close();
});

scenario(import.meta.url, 'many flows at once: every packet gets its own answer', async () => {
  installRules(4);
  const expected = [0, 0, 0, 0];
  const queue = Queue.open({ num: 0, mask: MASK, deadlineMs: 10_000 }, (batch, count) => {
    for (let i = 0; i < count; i++) {
      const mark = batch.sport[i]! % 4;
      batch.marks[i] = mark;
      expected[mark]!++;
    }
  });
  const flows = await senders(4, 500);
  for (const sender of flows) sender.send();
  await queue.close();
  assert.deepEqual(marks(4), expected);
  assert.equal(counter(4, 'passed'), 500);
  await assertConsistent(queue);
  // The 500 packets come in batches of up to 128, except the first, which comes alone.
  assert.ok(queue.stats().batches < 100, `${queue.stats().batches} batches`);
  for (const sender of flows) sender.close();
});
