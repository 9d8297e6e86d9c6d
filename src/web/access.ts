import type { IncomingMessage } from 'node:http';
import { Attempts } from './attempts.js';
import { Refused } from './refused.js';
import { Sessions } from './sessions.js';
import type { Token } from './token.js';

/** Whether somebody may look. */
export class Access {
  readonly #token: Token | undefined;
  readonly #attempts: Attempts;
  readonly #sessions: Sessions;

  /**
   * @param token undefined: everybody who can reach us may look
   * @param now milliseconds of a clock that never goes back
   */
  constructor(token: Token | undefined, now: () => number = () => performance.now()) {
    this.#token = token;
    this.#attempts = new Attempts(now);
    this.#sessions = new Sessions(now);
  }

  /** Whether a token is needed. */
  get isGuarded(): boolean {
    return this.#token !== undefined;
  }

  /** @throws Refused for a request that may not be answered with what only those who may look see */
  need(request: IncomingMessage): void {
    if (this.#token === undefined || this.#sessions.has(request.headers.cookie)) return;
    const bearer = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (bearer === undefined) throw new Refused(401, 'a token is needed');
    this.#try(bearer, request, this.#token);
  }

  /** Begins a session for the right token. @returns the Set-Cookie header @throws Refused */
  login(given: string, request: IncomingMessage): string {
    if (this.#token !== undefined) this.#try(given, request, this.#token);
    return this.#sessions.begin();
  }

  /** @returns the Set-Cookie header that ends the session */
  logout({ headers }: IncomingMessage): string {
    return this.#sessions.end(headers.cookie);
  }

  #try(given: string, { socket }: IncomingMessage, token: Token): void {
    const from = socket.remoteAddress ?? '';
    const waitMs = this.#attempts.waitMs(from);
    if (waitMs > 0)
      throw new Refused(429, 'wrong tokens came from your address; wait', Math.ceil(waitMs / 1000));
    if (token.matches(given)) {
      this.#attempts.right(from);
      return;
    }
    this.#attempts.wrong(from);
    throw new Refused(401, 'the token is wrong');
  }
}
