import type { Explanation, MemberShown, PolicyShown, WayShown } from '../plan/explain/explanation.js';
import { duration } from './duration.js';
import type { ConnectionShown } from './explain-connections.js';

/** The output of `explain --json`. Fields may be added, never renamed. */
export interface WholeExplanation extends Explanation {
  /** Whether `up` was run, so that the rules are there. */
  readonly up: boolean;
  /** Whether a daemon answers. */
  readonly daemon: boolean;
  /** The connections that conntrack has already; null where it does not show them. */
  readonly connections: readonly ConnectionShown[] | null;
}

/** How many of the connections are shown. */
const MOST_CONNECTIONS = 4;

/** The output of `explain` for people: a line for each step of the answer. */
export function explanationText(whole: WholeExplanation): string {
  const { left, policies, keeps, decides, unsure, up } = whole;
  const lines: (readonly [label: string, text: string])[] = [
    ['', head(whole)],
    ...(up ? [] : [['note', "the rules are not up; this is what 'wanmark up' would make"] as const]),
    ...connectionLines(whole),
    ...(left === null ? [] : [['left alone', left] as const]),
    ...ruleLines(whole),
    ...policies.flatMap(policyLines),
    ...(keeps === null ? [] : [['keeps', `${keeps}, which the client has (sticky)`] as const]),
    ...(decides === 'nobody' ? [] : [['chooses', chooserText(whole)] as const]),
    ...whole.ways.map((way) => ['goes', wayText(way)] as const),
    ...withoutDaemonLines(whole),
    ...unsure.map((text) => ['unsure', text] as const),
  ];
  return lines.map(([label, text]) => `${label === '' ? '' : label.padEnd(12)}${text}\n`).join('');
}

function head({ packet }: WholeExplanation): string {
  const { proto, src, sport, dst, dport } = packet;
  const from = packet.in === null ? 'from this router' : `by ${packet.in}`;
  return `${proto} ${place(src, sport)} to ${place(dst, dport)}, ${from}`;
}

function place(address: string, port: number | null): string {
  if (port === null) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function connectionLines({ connections }: WholeExplanation): [string, string][] {
  if (connections === null) return [];
  if (connections.length === 0) return [['now', 'there is no such connection; a new one:']];
  const rest = connections.length - MOST_CONNECTIONS;
  return [
    ...connections.slice(0, MOST_CONNECTIONS).map((one): [string, string] => ['now', connectionText(one)]),
    ...(rest > 0 ? [['now', `and ${rest} more like these`] as [string, string]] : []),
    ['', 'a new one:'],
  ];
}

function connectionText({ src, sport, dst, dport, wan, state, since, bytes }: ConnectionShown): string {
  const age = since === null ? '' : `, for ${duration((Date.now() - Date.parse(since)) / 1000)}`;
  const amount = bytes === null ? '' : `, ${size(bytes.out)} there and ${size(bytes.back)} back`;
  const by = wan === null ? 'by no WAN' : `by ${wan}`;
  return `${place(src, sport || null)} to ${place(dst, dport || null)} ${by}, ${state}${age}${amount}`;
}

function size(bytes: number): string {
  const power = Math.min(4, Math.floor(Math.log(Math.max(bytes, 1)) / Math.log(1000)));
  return `${power === 0 ? bytes : (bytes / 1000 ** power).toPrecision(3)} ${['B', 'kB', 'MB', 'GB', 'TB'][power]}`;
}

function ruleLines({ rule, policies }: WholeExplanation): [string, string][] {
  if (rule !== null) return [['rule', `${rule.number}: ${rule.text}`]];
  return policies.length === 0 ? [] : [['rule', 'none is for it, so policy default holds']];
}

function policyLines({ name, members, none }: PolicyShown): [string, string][] {
  const takers = members.filter(({ why }) => why === null);
  const outs = members.filter(({ why }) => why !== null);
  const by = takers.length === 0 ? `no WAN can take it, so ${none}` : takers.map(memberText).join(', ');
  return [
    ['policy', `${name}: ${by}`],
    ...outs.map(({ wan, why }): [string, string] => ['out', `${wan}: ${why}`]),
  ];
}

function memberText({ wan, share }: MemberShown): string {
  return share === 1 ? wan : `${wan} ${percent(share)}`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}

function chooserText({ decides, strategy, keeps, daemon, ways }: WholeExplanation): string {
  if (decides !== 'daemon' || strategy === null) {
    const who = 'the kernel, by its rules';
    return daemon ? who : `${who}; no daemon answers`;
  }
  const who = `the daemon, by ${strategy.name}`;
  if (keeps !== null) return who;
  if (strategy.wan !== null) return `${who}: ${strategy.wan}, always`;
  return ways.length > 1 ? `${who}; the shares are those of the weights, the moment decides` : who;
}

function wayText(way: WayShown): string {
  const share = way.share === 1 ? '' : `${percent(way.share)} `;
  return `${share}${fateText(way)}${ruleText(way)}`;
}

function fateText({ fate, wan, dev, via, nat }: WayShown): string {
  if (fate === 'local') return 'to this router itself';
  if (fate === 'none') return 'nowhere: there is no route';
  if (fate !== 'leaves' && fate !== 'filtered') return `nowhere: ${fate}`;
  if (fate === 'filtered' && dev === null) return 'nowhere: rp_filter loses it, since there is no way back';
  const by = wan === null ? `by ${dev}` : `by ${wan}, ${dev}`;
  if (fate === 'filtered') return `nowhere: rp_filter loses it, since the way back is ${by}`;
  const gateway = via === null ? '' : ` via ${via}`;
  const source = nat === null ? '' : nat === 'masquerade' ? ', masqueraded' : `, as ${nat}`;
  return `${by}${gateway}${source}`;
}

function ruleText({ rule, mark }: WayShown): string {
  if (rule === null) return '';
  return `  (mark ${mark}, ip rule ${rule.priority}: ${rule.text}${rule.ours ? '' : ', not ours'})`;
}

function withoutDaemonLines({ decides, withoutDaemon }: WholeExplanation): [string, string][] {
  if (decides !== 'daemon') return [];
  const ways = withoutDaemon.map(
    (way) => `${way.share === 1 ? '' : `${percent(way.share)} `}${fateText(way)}`,
  );
  return [['no daemon', `${ways.join('; ')}, by the kernel`]];
}
