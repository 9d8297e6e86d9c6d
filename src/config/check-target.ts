import { isIP } from 'node:net';
import { parseEndpoint } from '../core/endpoint.js';
import { FAMILIES, type Family } from '../core/family.js';

export const KINDS = ['ping', 'tcp', 'http', 'dns', 'script'] as const;

/** How a check tries a WAN. */
export type CheckKind = (typeof KINDS)[number];

/** The targets of a check, by the family that they judge. */
export interface Targets {
  readonly 4: readonly string[];
  readonly 6: readonly string[];
}

const DNS_PORT = 53;

/**
 * The families that a target judges; none where it is not a valid target of that kind. Names are allowed only in URLs:
 * anywhere else the name would have to be looked up, and a check must not depend on another WAN.
 */
export function targetFamilies(kind: CheckKind, target: string): readonly Family[] {
  switch (kind) {
    case 'ping':
      return ofAddress(target);
    case 'tcp':
      return ofEndpoint(target, undefined);
    case 'dns':
      return ofEndpoint(target, DNS_PORT);
    case 'http':
      return ofUrl(target);
    case 'script':
      return FAMILIES;
  }
}

function ofAddress(text: string): readonly Family[] {
  const family = text.includes('%') ? 0 : isIP(text);
  return family === 0 ? [] : [family as Family];
}

function ofEndpoint(text: string, defaultPort: number | undefined): readonly Family[] {
  const endpoint = parseEndpoint(text, defaultPort);
  return endpoint === undefined ? [] : [endpoint.family];
}

function ofUrl(text: string): readonly Family[] {
  if (!URL.canParse(text)) return [];
  const { protocol, hostname } = new URL(text);
  if (protocol !== 'http:' && protocol !== 'https:') return [];
  const family = isIP(hostname.replace(/^\[|\]$/g, ''));
  return family === 0 ? FAMILIES : [family as Family];
}
