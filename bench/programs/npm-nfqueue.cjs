// npm-nfqueue.cjs QUEUE MARK...: round-robin over marks with the package `nfqueue`, by the example of its README, plus
// the buffer size that the example forgets.
const nfqueue = require('nfqueue');

const [queue, ...marks] = process.argv.slice(2).map(Number);
let next = 0;
nfqueue.createQueueHandler(queue, 65535, (packet) => {
  packet.setVerdict(nfqueue.NF_REPEAT, marks[next]);
  next = (next + 1) % marks.length;
});
process.stdout.write('ready\n');
