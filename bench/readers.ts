import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { askDaemon } from '#wanmark/control/daemon-client.js';
import type { Contender, Running } from './contender.js';

/**
 * How often something happens that the readers are told. It is a change of a weight, whose rules cost more than all readers, so
 * it must be too seldom to be what p99 shows.
 */
const EVENT_MS = 2000;

/** Our daemon with something to tell every two seconds, and this many who follow it, of whom every second never reads. */
export function readBy(own: Contender, name: string, directory: string, count: number): Contender {
  return {
    ...own,
    name,
    start: async (lab, sent) => {
      const running = await own.start(lab, sent);
      const socket = join(directory, 'socket');
      const readers: ClientRequest[] = [];
      // One after the other: the daemon hears few who ask at once.
      while (readers.length < count) readers.push(await follow(socket, readers.length % 2 === 0));
      const stopped = new AbortController();
      const telling = tell(socket, lab.wans[0]!.name, stopped.signal);
      return {
        ...running,
        stop: async () => {
          stopped.abort();
          await telling;
          for (const reader of readers) reader.destroy();
          await running.stop();
        },
      } satisfies Running;
    },
  };
}

async function follow(socketPath: string, reads: boolean): Promise<ClientRequest> {
  const reader = request({ socketPath, path: '/v1/events', agent: false }).on('error', () => undefined);
  reader.end();
  const [response] = (await once(reader, 'response')) as [IncomingMessage];
  response.on('error', () => undefined);
  if (reads) response.resume();
  return reader;
}

/** Sets a WAN's weight to what it is not, again and again. */
async function tell(socket: string, wan: string, signal: AbortSignal): Promise<void> {
  for (let weight = 2; !signal.aborted; weight = 3 - weight) {
    await askDaemon(socket, '/set', { wan, weight }, 30_000);
    await setTimeout(EVENT_MS, undefined, { signal }).catch(() => undefined);
  }
}
