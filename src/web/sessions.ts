import { createHash, randomBytes } from 'node:crypto';

const COOKIE = 'wanmark';
/** How long somebody stays logged in. */
const LASTS_MS = 12 * 3_600_000;
/** Most that are logged in; the oldest login goes first. */
const MOST = 64;

/**
 * Who gave the right token in a browser, and may look without it until the session ends. A cookie of 256 random bits cannot be
 * found by trying, so wrong ones, such as those from before a restart, cost their sender nothing.
 */
export class Sessions {
  readonly #now: () => number;
  /** The end of each session by the digest of its cookie, so that a look-up tells nothing of the cookie by its time. */
  readonly #ends = new Map<string, number>();

  /** @param now milliseconds of a clock that never goes back */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Begins a session. @returns the header that gives it to the browser, and to no script */
  begin(): string {
    const value = randomBytes(32).toString('base64url');
    this.#ends.set(keyOf(value), this.#now() + LASTS_MS);
    if (this.#ends.size > MOST) this.#ends.delete(this.#ends.keys().next().value!);
    return `${COOKIE}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${LASTS_MS / 1000}`;
  }

  /** @param cookies the header of a request */
  has(cookies: string | undefined): boolean {
    const key = keyIn(cookies);
    const end = key === undefined ? undefined : this.#ends.get(key);
    return end !== undefined && end > this.#now();
  }

  /** Ends the session of a request. @returns the header that takes the cookie away */
  end(cookies: string | undefined): string {
    const key = keyIn(cookies);
    if (key !== undefined) this.#ends.delete(key);
    return `${COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0`;
  }
}

function keyIn(cookies: string | undefined): string | undefined {
  const pair = cookies
    ?.split(';')
    .map((one) => one.trim().split('='))
    .find(([name]) => name === COOKIE);
  return pair?.[1] === undefined ? undefined : keyOf(pair[1]);
}

function keyOf(value: string): string {
  return createHash('sha256').update(value).digest('base64');
}
