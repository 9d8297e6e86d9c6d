/**
 * A selector of your own that needs no WANs: `Queue` hands over the first packets of connections and sends their marks
 * back. In this example QUIC (UDP to port 443), which a provider throttles, gets mark 2; everything else is left to the
 * kernel, which passes it unchanged. In a folder of its own, as root:
 *
 *     npm init -y && npm pkg set type=module
 *     npm install wanmark typescript @types/node
 *     npx tsc --module nodenext --target es2023 --types node embed.ts && node embed.js
 *
 * The rules around it use the lowest eight bits of the mark. Each connection is asked about once and keeps its mark. A
 * packet that gets a mark comes back to the top of the table, so the rules must let it pass. While no program has the
 * queue open, everything passes without a mark.
 *
 *     iptables -t mangle -A PREROUTING -i lan0 -m mark --mark 0/0xff -j CONNMARK --restore-mark --mask 0xff
 *     iptables -t mangle -A PREROUTING -i lan0 -m conntrack --ctstate NEW -m mark --mark 0/0xff \
 *       -j NFQUEUE --queue-num 7 --queue-bypass
 *     iptables -t mangle -A POSTROUTING -m mark ! --mark 0/0xff -j CONNMARK --save-mark --mask 0xff
 *     ip rule add fwmark 2/0xff lookup 102
 */
import { type Decide, KERNEL_DECIDES, Queue, WanmarkError } from 'wanmark';

const UDP = 17;
const HTTPS = 443;
const MARK = 2;

/** Element `i` of each array belongs to packet `i`. The arrays are reused, so do not keep references to them. */
const decide: Decide = (batch, count) => {
  for (let i = 0; i < count; i++) {
    const quic = batch.proto[i] === UDP && batch.dport[i] === HTTPS;
    batch.marks[i] = quic ? MARK : KERNEL_DECIDES;
  }
};

function open(): Queue {
  try {
    return Queue.open({ num: 7, mask: 0xff }, decide, ({ message }) => process.stderr.write(`${message}\n`));
  } catch (error) {
    if (!(error instanceof WanmarkError)) throw error;
    // The message is one line that says what to do when a privilege or the addon is missing, or the queue is taken.
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}

const queue = open();
process.stdout.write('listening\n');

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    // No packet is lost: close() decides the queued packets before it releases the queue.
    await queue.close();
    const { decisions, kernelDecided } = queue.stats();
    process.stdout.write(`${decisions} marked, ${kernelDecided} left to the kernel\n`);
  });
}
