/** Looks at a machine from inside as the daemon does, a word for each line of its input. */
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { News, type NewsItem } from '#wanmark/system/news.js';
import { QuickLook } from '#wanmark/system/quick-look.js';
import { KernelSet } from '#wanmark/system/rtnetlink/kernel-set.js';

const look = new QuickLook();
let items: NewsItem[] = [];
let hears = false;
new News(
  ['rule', 'route'],
  (news) => {
    items.push(...news);
    if (hears) void look.hear(news);
  },
  () => say('ended'),
);

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function text(item: NewsItem): string {
  return item.kind === 'route' ? `route:${item.table}:${item.dst}` : item.kind;
}

async function answer(line: string): Promise<string> {
  const [word, count] = line.split(' ');
  if (word === 'hear') {
    hears = true;
    return 'hears';
  }
  const sight = word === 'set' ? undefined : await look.look(undefined);
  switch (word) {
    case 'settle':
      look.forget();
      look.settle(sight);
      items = [];
      return 'settled';
    case 'look':
      return sight !== undefined && (await look.suffices(sight)) ? 'nothing to do' : 'something to do';
    case 'heard': {
      const all = () => [...new Set(items.map(text))];
      while (all().length < Number(count)) await setTimeout(10);
      const heard = all().toSorted((a, b) => b.localeCompare(a));
      items = [];
      return heard.join(' ');
    }
    default: {
      const networks = new KernelSet('WANMARK_4', 4).networks();
      return ['10.9.8.0/24', '10.9.9.0/24', '10.100.0.0/24']
        .map((one) => `${one} ${networks?.has(one)}`)
        .join(', ');
    }
  }
}

say('ready');
for await (const line of createInterface(process.stdin)) say(await answer(line));
process.exit();
