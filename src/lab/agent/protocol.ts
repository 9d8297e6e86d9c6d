/** How the lab talks to the traffic program on a host: one JSON object per line, each way. */

import type { Family } from '../../core/family.js';

export type Proto = 'tcp' | 'udp';

/** Opens connections, each with a source port that this host has not used before. */
export interface ConnectRequest {
  readonly op: 'connect';
  readonly proto: Proto;
  readonly family: Family;
  readonly to: string;
  readonly port: number;
  readonly count: number;
  /** How many at once. */
  readonly concurrency: number;
  /** Source addresses, taken in turn; none: the kernel chooses. */
  readonly from: readonly string[];
  /** Distinguishes what the server saw. */
  readonly tag: string;
  /** Keep them open, for `exchange`. */
  readonly hold: boolean;
  /** How long each may take, in milliseconds. */
  readonly timeoutMs: number;
}

/** Opens TCP connections at a steady rate, until `loadEnd`. */
export interface LoadRequest {
  readonly op: 'load';
  readonly family: Family;
  readonly to: string;
  readonly port: number;
  /** Connections per second. */
  readonly rate: number;
  /** Source addresses, taken in turn; none: the kernel chooses. */
  readonly from: readonly string[];
  /** After so many milliseconds without an answer a connection has failed. */
  readonly timeoutMs: number;
}

/** What became of a load's connections. */
export interface LoadReport {
  readonly started: number;
  /** Those that got their answer. */
  readonly done: number;
  /** Those that never were connected, by the error. */
  readonly failed: Readonly<Record<string, number>>;
  /** Those that were connected and then got no answer, by the error: their WAN died under them. */
  readonly broken: Readonly<Record<string, number>>;
  /** Of `done`, those that took longer than 500 ms. */
  readonly slow: number;
  /** The longest that one of `done` took. */
  readonly longestMs: number;
  /** Of all that were connected, those for which it took longer than 500 ms: a SYN was sent again. */
  readonly slowConnects: number;
  /** The longest that it took, in milliseconds. */
  readonly slowestConnectMs: number;
  /** The longest that the client itself did not come to run, in milliseconds, until the last answer: what a machine that stalls adds. */
  readonly longestPauseMs: number;
  /** `done` by the source address that the server saw. */
  readonly sources: Readonly<Record<string, number>>;
  /** How long connections were started. */
  readonly seconds: number;
}

export type Request =
  | LoadRequest
  /** The report of a load that goes on. */
  | { readonly op: 'loadSoFar' }
  /** Starts no more connections, and answers with the report when all have ended. */
  | { readonly op: 'loadEnd' }
  | { readonly op: 'serve'; readonly port: number; readonly addresses: readonly string[] }
  | ConnectRequest
  /** Asks again on connections that are held. */
  | {
      readonly op: 'exchange';
      readonly ids: readonly number[];
      readonly tag: string;
      readonly timeoutMs: number;
    }
  /** Closes connections that are held, or still on their way. */
  | { readonly op: 'release'; readonly ids: readonly number[] }
  /** Starts a TCP connection and does not wait for it. */
  | {
      readonly op: 'dial';
      readonly family: Family;
      readonly to: string;
      readonly port: number;
      readonly from: readonly string[];
    }
  /** Datagrams from one socket that ask for no answer. */
  | {
      readonly op: 'stream';
      readonly family: Family;
      readonly to: string;
      readonly port: number;
      readonly count: number;
      readonly from: readonly string[];
      readonly tag: string;
    }
  /** Two datagrams at once from each of `count` sockets, as a resolver sends A and AAAA. */
  | {
      readonly op: 'pairs';
      readonly family: Family;
      readonly to: string;
      readonly port: number;
      readonly count: number;
      readonly concurrency: number;
      readonly from: readonly string[];
      readonly tag: string;
      readonly timeoutMs: number;
    }
  /** What the server of this host saw. */
  | { readonly op: 'seen'; readonly tag?: string }
  /** Answers when `messages` messages of that tag have come. */
  | { readonly op: 'arrived'; readonly tag: string; readonly messages: number };

/** One connection, as the program that opened it knows it. */
export interface Flow {
  /** For `exchange` and `release`, when it is held. */
  readonly id: number;
  readonly proto: Proto;
  readonly family: Family;
  readonly src: string;
  readonly sport: number;
  readonly dst: string;
  readonly dport: number;
  /** The source addresses and ports that the server answered to, one for each message; empty when it failed. */
  readonly seenAs: readonly { readonly address: string; readonly port: number }[];
  /** Why it failed: an errno name or a sentence. */
  readonly error?: string;
}

/** What a server saw of one source address and port. */
export interface Seen {
  readonly tag: string;
  readonly proto: Proto;
  readonly source: string;
  readonly sport: number;
  messages: number;
}

export type Reply =
  | { readonly id: number; readonly done: number }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: string };

/** An IPv4 address that came in by an IPv6 socket, as IPv4. */
export function plainAddress(address: string): string {
  return address.replace(/^::ffff:/, '');
}

export const messages = {
  /** `silent` asks for no answer. */
  ask: (tag: string, nonce: string, silent = false) => `${silent ? 'silent' : 'echo'} ${tag} ${nonce}`,
  /** As `ask`, but the server answers and does not keep it in mind. */
  count: (nonce: string) => `count - ${nonce}`,
  answer: (nonce: string, address: string, port: number) => `${nonce} ${address} ${port}`,
} as const;
