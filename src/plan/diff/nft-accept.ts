/** What our rules in the forward chains of others' tables are known by. */
export const ACCEPT_COMMENT = 'wanmark forward';

/** A forward chain of somebody else, and our rules in it. */
interface ForwardChain {
  /** Its family, table and name. */
  readonly chain: string;
  readonly handles: readonly string[];
  /** Whether the first rule of the chain is ours. */
  readonly isFirst: boolean;
}

/**
 * The commands that put our rule first into each forward chain of others, or take it away. Two kinds of lines tell what is
 * there and what is wanted: `forward FAMILY TABLE CHAIN first|behind|none [HANDLE...]` and `accept WORDS`.
 */
export function acceptSteps(have: readonly string[], want: readonly string[]): string[] {
  const words = want.flatMap((line) => (line.startsWith('accept ') ? [line.slice('accept '.length)] : []))[0];
  return have.flatMap(readForward).flatMap(({ chain, handles, isFirst }) => {
    const isRight = words !== undefined && isFirst && handles.length === 1;
    if (isRight) return [];
    return [
      ...(words === undefined ? [] : [`insert rule ${chain} ${words} comment "${ACCEPT_COMMENT}"`]),
      ...handles.map((handle) => `delete rule ${chain} handle ${handle}`),
    ];
  });
}

function readForward(line: string): ForwardChain[] {
  const [kind, family, table, name, place, ...handles] = line.split(' ');
  if (kind !== 'forward') return [];
  return [{ chain: `${family} ${table} ${name}`, handles, isFirst: place === 'first' }];
}
