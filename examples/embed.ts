/**
 * A selector of your own, without anything of WANs: `Queue` hands over the first packets of connections and sends the
 * marks back. Here what a provider throttles, QUIC (UDP to port 443), gets mark 2; for everything else the kernel decides,
 * which leaves the packet as it is. In a folder of its own, as root:
 *
 *     npm init -y && npm pkg set type=module
 *     npm install wanmark typescript @types/node
 *     npx tsc --module nodenext --target es2023 --types node embed.ts && node embed.js
 *
 * and the rules around it, which use the lowest eight bits of the mark. A connection is asked about once and keeps its
 * mark. What gets one comes back to the top of the table, so the rules must let it pass; while nobody listens, everything
 * passes without a mark.
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

/** Element `i` of each array is of packet `i`. The arrays are used again, so nothing of them may be kept. */
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
    // One line that says what to do: no privilege, no addon, a queue that somebody else has.
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}

const queue = open();
process.stdout.write('listening\n');

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    // No packet is lost: what is queued is decided before the kernel gets its queue back.
    await queue.close();
    const { decisions, kernelDecided } = queue.stats();
    process.stdout.write(`${decisions} marked, ${kernelDecided} left to the kernel\n`);
  });
}
