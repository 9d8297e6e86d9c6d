import { BlockList } from 'node:net';
import { isDnsName } from '../config/check-target.js';
import { splitEndpoint } from '../core/endpoint.js';
import { UsageError } from '../errors.js';

/** Loopback, since any other address needs a token. */
export const DEFAULT_LISTEN = '127.0.0.1:8080';

/** Where the page is served. */
export interface Listen {
  /** An address without brackets. */
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Whether only this machine can reach it. */
  readonly isLoopback: boolean;
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/**
 * Reads `127.0.0.1:8080` or `[::1]:8080`. A name is not taken, since what it leads to, and so who could look, may change.
 * @throws UsageError
 */
export function parseListen(text: string): Listen {
  const { address, family, port: digits } = splitEndpoint(text);
  const port = /^\d{1,5}$/.test(digits ?? '') ? Number(digits) : Number.NaN;
  if (family === undefined || !(port <= 0xffff))
    throw new UsageError(
      `listen "${text}" must be an address with a port, for example ${DEFAULT_LISTEN} or [::1]:8080`,
    );
  return { host: address, port, isLoopback: LOOPBACK.check(address, family === 6 ? 'ipv6' : 'ipv4') };
}

/** Refuses to show everything to everybody. @throws UsageError */
export function needToken({ host, isLoopback }: Listen, hasToken: boolean): void {
  if (isLoopback || hasToken) return;
  throw new UsageError(
    `listen ${host} can be reached from other machines, so it needs --token-file FILE; or use ${DEFAULT_LISTEN} and ssh -L`,
  );
}

/** A name that a browser asks for, which sends it in small letters and without what stands around it in a link. @throws UsageError */
export function parseHostName(text: string): string {
  if (isDnsName(text)) return text.toLowerCase();
  throw new UsageError(`host "${text}" must be a name alone, for example router.lan`);
}
