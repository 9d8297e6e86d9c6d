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
  /** How many connections are opened at once. */
  readonly concurrency: number;
  /** Source addresses, taken in turn; with none the kernel chooses. */
  readonly from: readonly string[];
  /** A word by which the server's record of these connections is found. */
  readonly tag: string;
  /** Whether to keep the connections open, for `exchange`. */
  readonly hold: boolean;
  /** Time limit of each connection, in milliseconds. */
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
  /** Source addresses, taken in turn; with none the kernel chooses. */
  readonly from: readonly string[];
  /** Milliseconds without an answer after which a connection has failed. */
  readonly timeoutMs: number;
}

/** What became of a load's connections. */
export interface LoadReport {
  readonly started: number;
  /** Connections that got their answer. */
  readonly done: number;
  /** Connections that were never made, by the error. */
  readonly failed: Readonly<Record<string, number>>;
  /** Connections that were made and then got no answer because their WAN died, by the error. */
  readonly broken: Readonly<Record<string, number>>;
  /** Connections of `done` that took longer than 500 ms. */
  readonly slow: number;
  /** The longest time that one of `done` took, in milliseconds. */
  readonly longestMs: number;
  /** Connects that took longer than 500 ms because a SYN was sent again. */
  readonly slowConnects: number;
  /** The longest time of a connect, in milliseconds. */
  readonly slowestConnectMs: number;
  /** The longest time until the last answer in which the client itself got no CPU (a stalled machine), in ms. */
  readonly longestPauseMs: number;
  /** `done` by the source address that the server saw. */
  readonly sources: Readonly<Record<string, number>>;
  /** For how long connections were started, in seconds. */
  readonly seconds: number;
}

/** What an agent can be asked. */
export type Request =
  | LoadRequest
  /** Answers with the report of a load while it runs. */
  | { readonly op: 'loadSoFar' }
  /** Ends a load: answers with its report when all connections have ended. */
  | { readonly op: 'loadEnd' }
  | { readonly op: 'serve'; readonly port: number; readonly addresses: readonly string[] }
  | ConnectRequest
  /** Asks again on held connections. */
  | {
      readonly op: 'exchange';
      readonly ids: readonly number[];
      readonly tag: string;
      readonly timeoutMs: number;
    }
  /** Closes connections that are held or still being made. */
  | { readonly op: 'release'; readonly ids: readonly number[] }
  /** Starts a TCP connection without waiting for it. */
  | {
      readonly op: 'dial';
      readonly family: Family;
      readonly to: string;
      readonly port: number;
      readonly from: readonly string[];
    }
  /** Sends datagrams that ask for no answer from one socket. */
  | {
      readonly op: 'stream';
      readonly family: Family;
      readonly to: string;
      readonly port: number;
      readonly count: number;
      readonly from: readonly string[];
      readonly tag: string;
    }
  /** Sends two datagrams at once from each of `count` sockets, like a resolver's A and AAAA queries. */
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
  /** Answers with the messages that this host's server saw. */
  | { readonly op: 'seen'; readonly tag?: string }
  /** Answers when `messages` messages with the tag have come. */
  | { readonly op: 'arrived'; readonly tag: string; readonly messages: number };

/** One connection, from the view of the program that opened it. */
export interface Flow {
  /** The id by which `exchange` and `release` find a held connection. */
  readonly id: number;
  readonly proto: Proto;
  readonly family: Family;
  readonly src: string;
  readonly sport: number;
  readonly dst: string;
  readonly dport: number;
  /** The source addresses and ports that the server answered to, one for each message; empty when it failed. */
  readonly seenAs: readonly { readonly address: string; readonly port: number }[];
  /** Why the connection failed: an errno name or a sentence. */
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

/** What it answers. */
export type Reply =
  | { readonly id: number; readonly done: number }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: string };

/** Strips the prefix of an IPv4 address that an IPv6 socket reports. */
export function plainAddress(address: string): string {
  return address.replace(/^::ffff:/, '');
}

/** Requests and replies as lines of JSON. */
export const messages = {
  /** A question to the server; with `silent` the server does not answer. */
  ask: (tag: string, nonce: string, silent = false) => `${silent ? 'silent' : 'echo'} ${tag} ${nonce}`,
  /** Like `ask`, but the server answers without recording the message. */
  count: (nonce: string) => `count - ${nonce}`,
  answer: (nonce: string, address: string, port: number) => `${nonce} ${address} ${port}`,
} as const;
