/**
 * A queue 0 that leaves each packet to the kernel. Prints `ready`; for each input line it prints how many packets it
 * has answered.
 */
import { createInterface } from 'node:readline';
import { Queue } from '#wanmark/queue/queue.js';

const queue = Queue.open({ num: 0, mask: 0xff }, () => {});
const say = (text: string) => process.stdout.write(`${text}\n`);
say('ready');
createInterface(process.stdin)
  .on('line', () => say(String(queue.stats().verdicts)))
  .on('close', () => process.exit());
