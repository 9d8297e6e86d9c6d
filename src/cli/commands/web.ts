import type { CommandModule } from 'yargs';
import { DEFAULT_SOCKET } from '../../config/options/run.js';
import { UsageError } from '../../errors.js';
import { ownVersion } from '../../system/version.js';
import { DEFAULT_LISTEN, needToken, parseHostName, parseListen } from '../../web/listen.js';
import { Web } from '../../web/server.js';
import { Token } from '../../web/token.js';
import { presetSocket, SOCKET, valued } from '../options.js';
import { complain, say } from '../say.js';

interface WebArguments {
  readonly listen: string | undefined;
  readonly 'token-file': string | undefined;
  readonly host: string | readonly string[] | undefined;
  readonly 'allow-set': boolean | undefined;
  readonly socket: string | undefined;
}

/** The command `web`: a page that shows what the running daemon knows, and metrics. It needs no privilege. */
export const webCommand: CommandModule<object, WebArguments> = {
  command: 'web',
  describe: 'Serve a page that shows the running daemon, and its metrics',
  builder: (yargs) =>
    yargs
      .option(
        'listen',
        valued('ADDRESS:PORT', {
          describe: 'Address and port; any but loopback needs --token-file',
          defaultDescription: DEFAULT_LISTEN,
        }),
      )
      .option('token-file', valued('FILE', { describe: 'Whoever knows the word in this file may look' }))
      .option(
        'host',
        valued('NAME', { describe: 'A name that this server is called by; repeat it for each' }),
      )
      .option('allow-set', { type: 'boolean', describe: 'Let the page drain WANs and set them down' })
      .option('socket', SOCKET),
  handler: async (argv) => {
    const { socket = presetSocket().socket ?? DEFAULT_SOCKET } = argv;
    const listen = parseListen(one('listen', argv.listen) ?? DEFAULT_LISTEN);
    const file = one('token-file', argv['token-file']);
    needToken(listen, file !== undefined);
    const token = file === undefined ? undefined : Token.read(file);
    const hosts = [argv.host ?? []].flat().map(parseHostName);
    const allowSet = argv['allow-set'] === true;
    const onFault = (error: unknown) => complain(`a bug: ${(error as Error)?.stack ?? String(error)}`);
    const web = await Web.start({ version: ownVersion(), listen, socket, token, hosts, allowSet, onFault });
    const host = listen.host.includes(':') ? `[${listen.host}]` : listen.host;
    say(`http://${host}:${web.port}/\n`);
    await new Promise<void>((resolve) => {
      process.once('SIGTERM', resolve);
      process.once('SIGINT', resolve);
    });
    web.stop();
  },
};

function one(name: string, value: string | readonly string[] | undefined): string | undefined {
  if (value === undefined || typeof value === 'string') return value;
  throw new UsageError(`${name} is given ${value.length} times; give it once`);
}
