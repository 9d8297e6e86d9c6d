import { request } from 'node:http';
import { SystemError } from '../errors.js';

const TIMEOUT_MS = 5000;
/** The errors of connect(2) where no socket is, or one of a daemon that has ended. */
const NOBODY: readonly string[] = ['ENOENT', 'ECONNREFUSED'];

/** The daemon's answer. */
export interface Answer<Body> {
  /** The HTTP status code. */
  readonly status: number;
  readonly answer: Body;
}

/**
 * Asks the running daemon on its socket.
 * @param body what to POST, as JSON; undefined makes it a GET
 * @throws SystemError in one line: `NO_DAEMON` where nobody listens, `NO_ANSWER` where somebody does and gives no answer in JSON,
 *   `NO_PRIVILEGE` where this user may not ask
 */
export function askDaemon<Body>(
  socketPath: string,
  path: string,
  body?: object,
  timeoutMs = TIMEOUT_MS,
): Promise<Answer<Body>> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string) =>
      reject(
        new SystemError(
          NOBODY.includes(reason) ? 'NO_DAEMON' : 'NO_ANSWER',
          `no daemon answers on ${socketPath} (${reason}); start one with wanmark run, or say where it is with --socket`,
        ),
      );
    const method = body === undefined ? 'GET' : 'POST';
    const call = request({ socketPath, path, method, timeout: timeoutMs }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (more: string) => {
        text += more;
      });
      response.on('end', () => {
        try {
          resolve({ status: response.statusCode!, answer: JSON.parse(text) as Body });
        } catch {
          fail('what answers is not wanmark');
        }
      });
    });
    call.on('timeout', () => call.destroy(new Error(`no answer in ${timeoutMs / 1000} s`)));
    call.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EACCES' || error.code === 'EPERM')
        reject(new SystemError('NO_PRIVILEGE', `permission denied: ${socketPath}; use sudo`));
      else fail(error.code ?? error.message);
    });
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
