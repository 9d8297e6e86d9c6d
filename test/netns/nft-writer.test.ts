// Choices in nftables: written by our own transactions, read back with nft(8), and met by packets.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import type { HashField } from '#wanmark/core/flow-hash.js';
import { SystemError } from '#wanmark/errors.js';
import { type NftChoices, NftWriter } from '#wanmark/system/nft-writer.js';
import { nftables } from '../helpers/requires.js';
import { scenario } from './queue-harness.js';

const CHAINS = ['to_one', 'to_two', 'to_three'] as const;
/** The chain `plan` is empty, so that packets count behind it until there are choices. */
const RULESET = `
table inet w {
  counter one {}
  counter two {}
  counter three {}
  counter behind {}
  ${CHAINS.map((chain) => `chain ${chain} { counter name "${chain.slice(3)}"; }`).join('\n')}
  chain plan {}
  chain other {}
  chain out {
    type filter hook output priority mangle;
    udp dport 5000 jump plan
    udp dport 5000 counter name "behind"
    udp dport 6000 jump other
  }
}`;

function nft(text: string): string {
  return execFileSync('nft', ['-f', '-'], { input: text, encoding: 'utf8' });
}

function list(...words: string[]): { nftables: Record<string, Record<string, unknown>>[] } {
  const text = execFileSync('nft', ['-j', 'list', ...words], { encoding: 'utf8', maxBuffer: 1 << 26 });
  return JSON.parse(text);
}

/** The target of each place of a chain, as nft prints the rule; empty without a rule. */
function placesOf(chain: string): Map<number, string> {
  const text = execFileSync('nft', ['list', 'chain', 'inet', 'w', chain], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  const [, modulus, map = ''] = /^\t\tnumgen inc mod (\d+) vmap \{ (.*) \}$/m.exec(text) ?? [];
  const places = [...map.matchAll(/(\d+) : goto (\S+?)(?:,|$)/g)];
  assert.equal(places.length, Number(modulus ?? 0), text.slice(0, 300));
  return new Map(places.map(([, place, target]) => [Number(place), target!]));
}

function counts(): number[] {
  const all = list('counters', 'table', 'inet', 'w').nftables.flatMap(({ counter }) =>
    counter === undefined ? [] : [counter],
  );
  return [...CHAINS.map((chain) => chain.slice(3)), 'behind'].map(
    (name) => all.find((one) => one.name === name)!.packets as number,
  );
}

function rulesOf(chain: string): number {
  return list('chain', 'inet', 'w', chain).nftables.filter(({ rule }) => rule !== undefined).length;
}

/** Sends datagrams to ports of this machine, in order. */
async function send(...ports: number[]): Promise<void> {
  const socket = createSocket('udp4');
  socket.on('error', () => {});
  for (const port of ports) {
    await new Promise((resolve) => socket.send('x', port, '127.0.0.1', resolve));
  }
  socket.close();
  await once(socket, 'close');
}

function choices(places: readonly number[]): NftChoices {
  return { table: 'w', chain: 'plan', targets: CHAINS, places: Uint16Array.from(places) };
}

function expected(places: readonly number[]): Map<number, string> {
  return new Map(places.map((chain, place) => [place, CHAINS[chain]!]));
}

/** Places in an order that is not that of their numbers. */
function mixed(count: number, step: number): number[] {
  return Array.from({ length: count }, (_, i) => ((i * step) >> 2) % 3);
}

scenario(
  import.meta.url,
  'choices are taken in turn, and are replaced as a whole',
  async () => {
    nft(RULESET);
    const writer = new NftWriter();
    writer.write([choices(mixed(256, 7))]);
    assert.deepEqual(placesOf('plan'), expected(mixed(256, 7)));
    assert.equal(rulesOf('plan'), 1);

    // Any run of five has two, two and one; the first choice is the next one after each write.
    writer.write([choices([0, 1, 2, 0, 1])]);
    assert.deepEqual(placesOf('plan'), expected([0, 1, 2, 0, 1]));
    for (let round = 1; round <= 4; round++) {
      await send(...Array(5).fill(5000));
      assert.deepEqual(
        counts(),
        [2 * round, 2 * round, round, 0].map((n, i) => (i === 3 ? round * 5 : n)),
      );
    }
    await send(5000, 5000);
    assert.deepEqual(counts(), [9, 9, 4, 22]);
    writer.write([choices([2, 1])]);
    await send(5000);
    assert.deepEqual(counts(), [9, 9, 5, 23]);
    await send(5000);
    assert.deepEqual(counts(), [9, 10, 5, 24]);

    // The last choices stay in force when the writer is gone.
    await writer.close();
    await send(5000, 5000);
    assert.deepEqual(counts(), [9, 11, 6, 26]);
  },
  nftables,
);

/** The places of a hash in the rules, `jhash FIELDS mod N` with its map; nft cannot name what an own rule of a family loads. */
function hashed(chain: string): string[] {
  const text = execFileSync('nft', ['list', 'chain', 'inet', 'w', chain], { encoding: 'utf8' });
  return text.split('\n').flatMap((line) => /^\t\t(.*jhash .*)$/.exec(line)?.[1] ?? []);
}

scenario(
  import.meta.url,
  'places of a hash are those where nft itself looks for a packet, in IPv4 and IPv6',
  async () => {
    const writer = new NftWriter();
    execFileSync('ip', ['link', 'set', 'lo', 'up']);
    for (const [family, ip] of [
      [4, 'ip'],
      [6, 'ip6'],
    ] as const) {
      const words = {
        src: `${ip} saddr`,
        sport: 'th sport',
        dst: `${ip} daddr`,
        dport: 'th dport',
        proto: 'meta l4proto',
      };
      for (const fields of [
        ['src'],
        ['src', 'sport', 'dst', 'dport', 'proto'],
        ['dport'],
        ['dst', 'sport'],
      ] as const) {
        nft('flush ruleset');
        const map = mixed(64, 7).map((to, i) => `${i} : goto ${CHAINS[to]!.replace('to', 'as')}`);
        const hash = `jhash ${fields.map((field) => words[field]).join(' . ')} mod 64 seed 0x1`;
        nft(`${RULESET}
table inet w {
  ${['one', 'two', 'three'].map((name) => `counter as_${name} {}\n  chain as_${name} { counter name "as_${name}"; }`).join('\n')}
  chain theirs {
    meta l4proto { udp } ${hash} vmap { ${map.join(', ')} }
  }
  chain beside {
    type filter hook output priority 0;
    udp dport 5000-5999 jump theirs
    udp dport 5000-5999 jump plan
  }
}`);
        writer.write([{ ...choices(mixed(64, 7)), hash: { family, fields } }]);
        const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
        socket.on('error', () => {});
        const host = family === 4 ? '127.0.0.' : '::1';
        for (let i = 1; i <= 60; i++) {
          await new Promise((resolve) => {
            socket.send('x', 5001 + i, family === 4 ? `${host}${i}` : host, resolve);
          });
        }
        socket.close();
        await once(socket, 'close');
        const counters = await writer.counters('w');
        const [ours, theirs] = ['', 'as_'].map((prefix) =>
          ['one', 'two', 'three'].map((name) => counters.get(prefix + name)),
        );
        assert.deepEqual(ours, theirs, `${fields} IPv${family}`);
        assert.equal(
          theirs!.reduce((a, b) => a! + b!),
          60,
        );
      }
    }
    // Protocols without ports have a place by the rest, or by themselves.
    writer.write([{ ...choices(mixed(4, 7)), hash: { family: 4, fields: ['src', 'dport'] } }]);
    assert.deepEqual(
      hashed('plan').map((line) => line.replace(/ mod .*/, '')),
      ['meta l4proto { tcp, udp, dccp, sctp, udplite } jhash @nh,96,32 . th dport', 'jhash @nh,96,32'],
    );
    writer.write([{ ...choices(mixed(4, 7)), hash: { family: 6, fields: ['sport'] } }]);
    assert.deepEqual(
      hashed('plan').map((line) => line.replace(/ mod .*/, '')),
      ['meta l4proto { tcp, udp, dccp, sctp, udplite } jhash th sport', 'jhash meta l4proto'],
    );
    for (const fields of [[], ['src', 'src'], ['port']])
      assert.throws(
        () => writer.write([{ ...choices([0]), hash: { family: 4, fields: fields as HashField[] } }]),
        TypeError,
      );
    assert.equal((await writer.counters('nowhere')).size, 0);
    await writer.close();
  },
  nftables,
);

scenario(
  import.meta.url,
  'without places nothing is chosen, and the packet goes on',
  async () => {
    nft(RULESET);
    const writer = new NftWriter();
    writer.write([choices([0])]);
    await send(5000);
    writer.write([choices([])]);
    assert.deepEqual(placesOf('plan'), new Map());
    assert.equal(rulesOf('plan'), 0);
    await send(5000);
    assert.deepEqual(counts(), [1, 0, 0, 2]);
    writer.write([choices([])]);
    await writer.close();
  },
  nftables,
);

scenario(
  import.meta.url,
  'a chain of 65,536 places is one transaction, beside another; whoever flushes it has taken it away',
  async () => {
    nft(RULESET);
    const writer = new NftWriter();
    const places = mixed(65_536, 13);
    writer.write([{ ...choices(places), chain: 'other' }, choices([1])]);
    assert.deepEqual(placesOf('other'), expected(places));
    assert.deepEqual(placesOf('plan'), expected([1]));
    writer.write([{ ...choices([2]), chain: 'other' }]);
    await send(5000, 6000);
    assert.deepEqual(counts(), [0, 1, 1, 1]);
    nft(`flush chain inet w other\nflush chain inet w plan\ndelete chain inet w to_one`);
    assert.deepEqual(
      list('maps').nftables.filter((one) => one.map !== undefined),
      [],
    );
    await writer.close();
  },
  nftables,
);

scenario(
  import.meta.url,
  'what the kernel refuses changes nothing, and says what is missing',
  async () => {
    nft(RULESET);
    const writer = new NftWriter();
    writer.write([choices([0, 1])]);
    const whole = execFileSync('nft', ['list', 'ruleset'], { encoding: 'utf8' });
    const good = choices([2, 2]);
    for (const [wrong, code, message] of [
      [{ ...good, chain: 'nowhere' }, 'NFT_GONE', /^nftables: rule: ENOENT: /],
      [{ ...good, table: 'nowhere' }, 'NFT_GONE', /^nftables: rule: ENOENT: /],
      [{ ...good, targets: ['a', 'b', 'c'] }, 'NFT_GONE', /^nftables: places: ENOENT: /],
      // A loop: the chain leads to itself.
      [{ ...good, targets: ['plan', 'plan', 'plan'] }, 'NFT_SYSTEM', /^nftables: .*E(LOOP|MLINK): /],
    ] as const) {
      assert.throws(
        () => writer.write([good, wrong]),
        (error: unknown) => {
          assert.ok(error instanceof SystemError, String(error));
          assert.deepEqual([error.code, error.exitCode], [code, 1]);
          assert.match(error.message, message);
          return true;
        },
      );
      assert.equal(execFileSync('nft', ['list', 'ruleset'], { encoding: 'utf8' }), whole);
    }
    for (const wrong of [
      { ...good, places: Uint16Array.of(3) },
      { ...good, targets: ['a'.repeat(256), 'b', 'c'] },
      { ...good, table: '' },
    ]) {
      assert.throws(() => writer.write([wrong]), TypeError);
    }
    assert.equal(execFileSync('nft', ['list', 'ruleset'], { encoding: 'utf8' }), whole);
    writer.write([good]);
    assert.deepEqual(placesOf('plan'), expected([2, 2]));
    // Somebody flushes everything in between.
    spawnSync('nft', ['flush', 'ruleset']);
    assert.throws(() => writer.write([good]), { code: 'NFT_GONE' });
    await writer.close();
  },
  nftables,
);

scenario(
  import.meta.url,
  'while choices are replaced, only a packet that is inside the rule at that moment misses them',
  async () => {
    nft(RULESET);
    const writer = new NftWriter();
    writer.write([choices([0])]);
    let writing = true;
    const written = (async () => {
      let count = 0;
      for (; writing; count++) {
        writer.write([choices(mixed(1 + (count % 200), count))]);
        await new Promise(setImmediate);
      }
      return count;
    })();
    for (let i = 0; i < 400; i++) {
      await send(...Array(50).fill(5000));
      await new Promise(setImmediate);
    }
    writing = false;
    const count = await written;
    const [one, two, three, all] = counts();
    assert.equal(all, 20_000);
    // A rule's set is looked up by the generation that is current by then (nft_set_elem_active), not by that of the rule,
    // so each write can cost one packet on each processor.
    const missed = 20_000 - one! - two! - three!;
    assert.ok(missed >= 0 && missed <= count * availableParallelism(), `${missed} missed in ${count} writes`);
    assert.ok(count > 20, `${count} were written meanwhile`);
    await writer.close();
  },
  nftables,
);
