import { formatAddress, parseAddress } from '../../core/address.js';
import type { Family } from '../../core/family.js';
import { loadAddon } from '../../native.js';
import { OWN_TRANSACTIONS } from '../own-transactions.js';
import { attribute, forEachAttribute } from './attributes.js';
import { bigEndian, NET_BYTEORDER, type NetfilterAddon } from './ipset.js';
import { forEachMessage } from './messages.js';

/** NFNL_SUBSYS_NFTABLES of linux/netfilter/nfnetlink.h, and NFT_MSG_* of linux/netfilter/nf_tables.h. */
const SUBSYSTEM = 10 << 8;
const NEWSET = 9;
const GETSET = 10;
const NEWSETELEM = 12;
const GETSETELEM = 13;
const DELSETELEM = 14;
/** Attributes of the same file: NFTA_SET_*, NFTA_SET_ELEM_LIST_*, NFTA_LIST_*, NFTA_SET_ELEM_* and NFTA_DATA_*. */
const TABLE = 1;
const SET = 2;
const SET_HANDLE = 16;
const ELEMENTS = 3;
const ELEMENT = 1;
const KEY = 1;
const TIMEOUT = 4;
const EXPIRATION = 5;
const VALUE = 1;
/** NLA_F_NESTED and NLM_F_CREATE of linux/netlink.h. */
const NESTED = 0x8000;
const CREATE = 0x400;
/** NFPROTO_INET of linux/netfilter.h, and struct nfgenmsg. */
const INET = 1;
const NFGENMSG_BYTES = 4;
/** An attribute has 16 bits for its length; an element of ours has at most 40 bytes. */
const MOST_IN_MESSAGE = 1000;

/** An address in a set, and for how many seconds it stays. */
export interface TimedAddress {
  readonly address: string;
  readonly seconds: number;
}

/** A set of addresses with timeouts in a table of the family `inet`. */
export interface NftSetName {
  readonly table: string;
  readonly set: string;
  readonly family: Family;
}

/** What is to become of a set: addresses that are to be in it, with a time that begins anew, and others that are not. */
export interface SetChange extends NftSetName {
  readonly present: readonly TimedAddress[];
  readonly absent: readonly string[];
}

/** The addresses that are in a set; undefined where there is no such set. @throws Error with `errno` */
export function readNftAddresses(name: NftSetName): TimedAddress[] | undefined {
  const found: TimedAddress[] = [];
  const messages = orNothing(() => addon().netfilterDump(SUBSYSTEM | GETSETELEM, bodyOf(name)));
  if (messages === undefined) return undefined;
  forEachMessage(messages, SUBSYSTEM | NEWSETELEM, (view, start, end) => {
    forEachAttribute(view, start + NFGENMSG_BYTES, end, (type, _, from, to) => {
      if (type !== ELEMENTS) return;
      forEachAttribute(view, from, to, (_element, __, first, last) => {
        let address = '';
        let ms = 0;
        forEachAttribute(view, first, last, (part, ___, at, past) => {
          if (part === EXPIRATION || (part === TIMEOUT && ms === 0)) ms = Number(view.getBigUint64(at));
          if (part !== KEY) return;
          forEachAttribute(view, at, past, (_value, ____, begin, over) => {
            address = formatAddress(
              new Uint8Array(view.buffer, view.byteOffset + begin, over - begin),
              0,
              name.family,
            );
          });
        });
        if (address !== '') found.push({ address, seconds: Math.ceil(ms / 1000) });
      });
    });
  });
  return found;
}

/** A number that tells a set from one of the same name that was made before or after; undefined where there is none. */
export function nftSetHandle(name: NftSetName): bigint | undefined {
  const messages = orNothing(() => addon().netfilterRequest(SUBSYSTEM | GETSET, 0, bodyOf(name)));
  let handle: bigint | undefined;
  forEachMessage(messages ?? new Uint8Array(), SUBSYSTEM | NEWSET, (view, start, end) => {
    forEachAttribute(view, start + NFGENMSG_BYTES, end, (type, _, from) => {
      if (type === SET_HANDLE) handle = view.getBigUint64(from);
    });
  });
  return handle;
}

/**
 * Changes sets, all at once or not at all. Kernels before 6.3 have no deletion of what may not be there, and before 6.12 a
 * time does not begin anew where an element is added again; so each is added, which is no error where it is there, then
 * taken out, and then added.
 * @throws Error with `errno`: ENOENT where a set is not there, ENFILE where one is full
 */
export function changeNftAddresses(changes: readonly SetChange[]): void {
  const messages = changes.flatMap((change) => {
    const present = change.present.map(({ address, seconds }) => elementOf(address, seconds));
    const all = [...present, ...change.absent.map((address) => elementOf(address, 1))];
    const bare = [...change.present.map(({ address }) => address), ...change.absent];
    return [
      ...messagesOf(NEWSETELEM, CREATE, change, all),
      ...messagesOf(
        DELSETELEM,
        0,
        change,
        bare.map((address) => elementOf(address)),
      ),
      ...messagesOf(NEWSETELEM, CREATE, change, present),
    ];
  });
  if (messages.length === 0) return;
  addon().nftTransaction(INET, messages);
  OWN_TRANSACTIONS.done++;
}

function messagesOf(
  type: number,
  flags: number,
  name: NftSetName,
  elements: readonly Uint8Array[],
): Message[] {
  const parts = Array.from({ length: Math.ceil(elements.length / MOST_IN_MESSAGE) }, (_, i) =>
    elements.slice(i * MOST_IN_MESSAGE, (i + 1) * MOST_IN_MESSAGE),
  );
  return parts.map((part) => [
    type,
    flags,
    Buffer.concat([namesOf(name), attribute(ELEMENTS | NESTED, Buffer.concat(part))]),
  ]);
}

function elementOf(address: string, seconds?: number): Uint8Array {
  const key = attribute(KEY | NESTED, attribute(VALUE | NET_BYTEORDER, parseAddress(address)));
  const time =
    seconds === undefined ? [] : [attribute(TIMEOUT | NET_BYTEORDER, longBigEndian(1000 * seconds))];
  return attribute(ELEMENT | NESTED, Buffer.concat([key, ...time]));
}

function longBigEndian(number: number): Uint8Array {
  return Buffer.concat([bigEndian(Math.floor(number / 2 ** 32)), bigEndian(number % 2 ** 32)]);
}

function bodyOf(name: NftSetName): Uint8Array {
  const header = new Uint8Array(NFGENMSG_BYTES);
  header[0] = INET;
  return Buffer.concat([header, namesOf(name)]);
}

function namesOf({ table, set }: NftSetName): Uint8Array {
  const text = (value: string) => Buffer.from(`${value}\0`);
  return Buffer.concat([attribute(TABLE, text(table)), attribute(SET, text(set))]);
}

/** NFT_MSG_*, NLM_F_* and attributes. */
type Message = readonly [type: number, flags: number, body: Uint8Array];

/** This file's part of the addon (native/js/nft_transaction.h). */
interface NftAddon extends NetfilterAddon {
  nftTransaction(family: number, messages: readonly Message[]): void;
}

function addon(): NftAddon {
  return loadAddon<NftAddon>();
}

const ENOENT = 2;

function orNothing<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch (error) {
    if (error instanceof Error && 'errno' in error && error.errno === ENOENT) return undefined;
    throw error;
  }
}
