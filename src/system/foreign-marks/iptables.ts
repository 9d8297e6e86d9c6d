import { ALL_BITS, type MarkWrite } from './write.js';

/** Chains behind the last place where the packet's mark leads somewhere. */
const LATE = ['INPUT', 'POSTROUTING'];
/** The form of iptables-save: `--set-xmark VALUE/MASK`; versions before 1.4 knew only the others. */
const WRITE =
  /-j (?:(MARK|CONNMARK) --(set-xmark|set-mark|and-mark|or-mark|xor-mark)|TPROXY\b.* --(tproxy-mark)) (0x[0-9a-f]+)(?:\/(0x[0-9a-f]+))?/i;

/** `--save-mark` copies the packet's mark to the connection, under masks. */
const SAVE = /-j CONNMARK --save-mark(?: --(?:nfmask (0x[0-9a-f]+) --ctmask|mask) (0x[0-9a-f]+))?/i;
const OUR_JUMP = /^-A (PREROUTING|OUTPUT) .*-j WANMARK(_OUT)?$/;

/** The rules in the output of `iptables-save` that write a mark; ours are left out. */
export function iptablesWrites(program: string, saved: string): MarkWrite[] {
  return [...constantWrites(program, saved), ...earlySaves(program, saved)];
}

/** The rules in front of our jumps that copy the packet's mark, in which we have put nothing yet, to the connection. */
function earlySaves(program: string, saved: string): MarkWrite[] {
  const from = saved.indexOf('*mangle\n');
  const lines = from < 0 ? [] : saved.slice(from, saved.indexOf('\nCOMMIT', from)).split('\n');
  return lines.flatMap((line, i) => {
    const chain = /^-A (PREROUTING|OUTPUT) /.exec(line)?.[1];
    const found = SAVE.exec(line);
    const isBefore = lines.some((other, k) => k > i && OUR_JUMP.exec(other)?.[1] === chain);
    if (chain === undefined || found === null || !isBefore) return [];
    return {
      where: `${program} mangle ${chain}`,
      text: found[0],
      of: 'connection',
      value: undefined,
      mask: found[2] === undefined ? ALL_BITS : Number(found[2]),
      early: true,
      copies: 'before us',
    };
  });
}

function constantWrites(program: string, saved: string): MarkWrite[] {
  let table = '';
  return saved.split('\n').flatMap((line) => {
    if (line.startsWith('*')) table = line.slice(1);
    const chain = /^-A (\S+) /.exec(line)?.[1];
    if (chain === undefined || /^WANMARK(_|$)/.test(chain)) return [];
    const found = WRITE.exec(line);
    if (found === null) return [];
    const [, target, way = 'tproxy-mark', , first, second] = found;
    return {
      where: `${program} ${table} ${chain}`,
      text: found[0],
      of: target === 'CONNMARK' ? 'connection' : 'packet',
      ...bits(way, Number(first), second === undefined ? ALL_BITS : Number(second)),
      early: table === 'raw' || LATE.includes(chain),
    };
  });
}

function bits(way: string, first: number, mask: number): Pick<MarkWrite, 'value' | 'mask'> {
  if (way === 'and-mark') return { value: 0, mask: ~first >>> 0 };
  if (way === 'or-mark' || way === 'xor-mark') return { value: first, mask: first };
  return { value: first, mask: (mask | first) >>> 0 };
}
