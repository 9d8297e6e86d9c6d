import { isIP } from 'node:net';
import { splitEndpoint } from '../core/endpoint.js';
import { FAMILIES, type Family } from '../core/family.js';

/** The kinds of checks, as a configuration names them. */
export const KINDS = ['ping', 'tcp', 'http', 'dns', 'script'] as const;

/** How a check tries a WAN. */
export type CheckKind = (typeof KINDS)[number];

/** The targets of a check, by the family that they judge. */
export interface Targets {
  readonly 4: readonly string[];
  readonly 6: readonly string[];
}

/**
 * The characters that names of hosts and services have: letters, digits, dashes, underscores; lengths by RFC 1035
 * section 2.3.4.
 */
const DNS_NAME = /^(\.|(?=.{1,253}$)([A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?)$/;
/** At least two labels, so that a misspelled WAN is none; and no number at the end, so that a misspelled address is none. */
const HOST_NAME = /\.(?!\d+\.?$)[^.]+\.?$/;

/** Whether a text is a name that a DNS server can be asked for; `.` is the root. */
export function isDnsName(text: string): boolean {
  return DNS_NAME.test(text);
}

/**
 * The families that a target judges; none where it is not a valid target of that kind. A name judges both, whatever
 * addresses it has.
 */
export function targetFamilies(kind: CheckKind, target: string): readonly Family[] {
  switch (kind) {
    case 'ping':
      return isIP(target) !== 0 || !target.includes(':') ? ofEndpoint(target, false) : [];
    case 'tcp':
      return ofEndpoint(target, true);
    case 'dns':
      return ofEndpoint(target, false);
    case 'http':
      return ofUrl(target);
    case 'script':
      return FAMILIES;
  }
}

function ofEndpoint(text: string, needsPort: boolean): readonly Family[] {
  const { address, family, port } = splitEndpoint(text);
  if (port === undefined ? needsPort : !isPort(port)) return [];
  if (family !== undefined) return [family];
  const isName = !text.startsWith('[') && isDnsName(address) && HOST_NAME.test(address);
  return isName ? FAMILIES : [];
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 0xffff;
}

function ofUrl(text: string): readonly Family[] {
  if (!URL.canParse(text)) return [];
  const { protocol, hostname } = new URL(text);
  if (protocol !== 'http:' && protocol !== 'https:') return [];
  const family = isIP(hostname.replace(/^\[|\]$/g, ''));
  return family === 0 ? FAMILIES : [family as Family];
}
