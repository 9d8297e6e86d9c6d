import { createInterface } from 'node:readline';
import { Client } from './client.js';
import { Load } from './load.js';
import type { LoadRequest, Reply, Request } from './protocol.js';
import { Server } from './server.js';

/** The traffic program of a lab host: it carries out requests from standard input, see protocol.ts. */
const server = new Server();
const client = new Client();
let load: Load | undefined;

function reply(message: Reply): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

function startLoad(request: LoadRequest): void {
  load = new Load(request);
}

async function perform(request: Request, progress: (done: number) => void): Promise<unknown> {
  switch (request.op) {
    case 'serve':
      return server.listen(request.addresses, request.port);
    case 'connect':
      return client.connect(request, progress);
    case 'exchange':
      return client.exchange(request);
    case 'release':
      return client.release(request.ids);
    case 'dial':
      return client.dial(request);
    case 'stream':
      return client.stream(request);
    case 'pairs':
      return client.pairs(request, progress);
    case 'load':
      return startLoad(request);
    case 'loadSoFar':
      return load?.report;
    case 'loadEnd':
      return load?.end();
    case 'seen':
      return server.seen(request.tag);
    case 'arrived':
      return server.arrived(request.tag, request.messages);
  }
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { id, request } = JSON.parse(line) as { id: number; request: Request };
    const progress = (done: number) => {
      if (done % 16 === 0) reply({ id, done });
    };
    perform(request, progress).then(
      (result) => reply({ id, result: result ?? null }),
      (error: Error) => reply({ id, error: error.message }),
    );
  })
  .on('close', () => process.exit(0));
