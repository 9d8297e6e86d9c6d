import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chiSquare, limit } from '#wanmark/lab/chi-square.js';
import { differences, snapshot } from '#wanmark/lab/snapshot.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { PUBLIC, type ServicesLab, withServices } from '../helpers/services.js';

/** Connections that show a share wrong by a third; chance fails one right run in a million. */
const RANDOM_CONNECTIONS = 300;

interface Way {
  readonly name: string;
  /** Words behind `up`. */
  readonly up: string;
  /** Words in front of `run`; when left out, no daemon is run. */
  readonly run?: string;
  readonly random: boolean;
}

const ways = (daemon: readonly Way[]): Way[] => [
  { name: 'kernel-nth', up: '--engine kernel --kernel-mode nth', random: false },
  { name: 'kernel-random', up: '--engine kernel --kernel-mode random', random: true },
  ...daemon,
];

const IN_TURN: Way = { name: 'daemon', up: '', run: ' ', random: false };
const DRAWN: Way = { name: 'daemon-random', up: '', run: 'STRATEGY=random', random: true };

/** How an example is used. */
interface Example {
  readonly command: (verb: string) => string;
  readonly weights: readonly number[];
  readonly to?: string;
  readonly port: number;
  readonly ways: readonly Way[];
}

const EXAMPLES: Record<string, Example> = {
  'one address in front of five': {
    command: (verb) => `sh five-servers.sh ${verb}`,
    weights: [1, 1, 1, 1, 1],
    port: 27017,
    ways: ways([IN_TURN, DRAWN]),
  },
  'four servers in rotation': {
    command: (verb) => `sh four-in-rotation.sh ${verb}`,
    weights: [1, 1, 1, 1],
    port: 80,
    ways: [{ name: 'kernel', up: '--engine kernel', random: false }, IN_TURN],
  },
  'weights 30, 30, 30 and 10': {
    command: (verb) => `wanmark ${verb} --config weights.yaml`,
    weights: [30, 30, 30, 10],
    port: 80,
    ways: ways([IN_TURN]),
  },
  'three servers behind a public address': {
    command: (verb) => `sh public-address.sh ${verb}`,
    weights: [1, 1, 1],
    to: PUBLIC[4],
    port: 80,
    ways: ways([IN_TURN, DRAWN]),
  },
};

async function check(lab: ServicesLab, example: Example, way: Way, tag: string): Promise<void> {
  const { weights, to, port } = example;
  const total = weights.reduce((sum, weight) => sum + weight);
  // Counted in whole rounds of the rotation, so it does not matter where in a round the counting begins.
  const round = total === 100 ? 10 : total;
  const count = way.random ? RANDOM_CONNECTIONS : Math.ceil(40 / round) * round;
  const options = { ...(to === undefined ? {} : { to }), port, count, tag, concurrency: 16 };
  const counts = (await lab.spread(options)).slice(0, weights.length);
  const expected = weights.map((weight) => (count * weight) / total);
  if (!way.random) return assert.deepEqual(counts, expected, tag);
  const statistic = chiSquare(counts, expected);
  assert.ok(statistic <= limit(weights.length - 1), `${tag}: ${counts}, chi-square ${statistic.toFixed(1)}`);
}

describe('the examples with services', needs(nfqueue, addon), () => {
  for (const [what, example] of Object.entries(EXAMPLES)) {
    it(`${what}: the servers count what the example says, with the kernel alone and with a daemon`, async () => {
      // The servers behind the public address have no route back through this router.
      const behind = example.to !== undefined;
      await withServices({ servers: 5, lonely: behind, clientAddresses: 4 }, async (lab) => {
        await Promise.all(lab.servers.flatMap((one) => [one.serve(1234), one.serve(8080)]));
        if (behind) await lab.router.sh('iptables -P FORWARD DROP');
        const before = await snapshot(lab.router);
        for (const way of example.ways) {
          await lab.example(`${example.command('up')} ${way.up}`);
          const run = way.run === undefined ? undefined : `env ${way.run} ${example.command('run')}`;
          const daemon = run === undefined ? undefined : await lab.runExample(run);
          await check(lab, example, way, way.name);
          await daemon?.stop();
          if (daemon) assert.ok(daemon.decisions.length >= 40, 'the daemon decided');
          const sources = (await lab.seen(way.name)).flat().map(({ source }) => source);
          const clients = behind ? ['10.0.0.1'] : lab.client.addresses[4];
          assert.deepEqual([...new Set(sources)].sort(), [...clients].sort(), 'what the servers saw');
        }
        await lab.example(example.command('down'));
        assert.deepEqual(differences(before, await snapshot(lab.router)), []);
      });
    });
  }
});
