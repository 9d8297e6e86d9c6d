import { existsSync } from 'node:fs';
import type { Config } from '../../config/config.js';
import { stickyPolicies } from '../../config/policies.js';
import { servedFamilies } from '../../config/served.js';
import { FAMILIES } from '../../core/family.js';
import type { Facts } from '../../plan/facts.js';
import { MOST_LISTED } from '../../plan/held-sets.js';
import { canQueue } from '../../system/backend.js';
import type { Firewall } from '../../system/firewall.js';
import { hasClientSets, hasNetworkSets } from '../../system/network-sets.js';
import type { Run } from '../../system/run.js';
import type { Lack } from '../facts.js';

/** Rules that are not there, with the matches and targets of ours; asking for them (`-C`) changes nothing. */
const TRIALS: readonly string[] = [
  '-t mangle -C PREROUTING -m conntrack --ctstate NEW -m mark --mark 0/0x1 -m connmark --mark 0/0x1 -m addrtype --dst-type UNICAST -m mac --mac-source 02:00:00:00:00:01 -m comment --comment wanmark -j CONNMARK --set-xmark 0/0',
  '-t mangle -C PREROUTING -m statistic --mode nth --every 2 --packet 0 -j MARK --set-xmark 0/0',
  '-t nat -C POSTROUTING -j MASQUERADE',
];
const QUEUE_TRIAL = '-t mangle -C PREROUTING -j NFQUEUE --queue-num 0 --queue-bypass';

/** What the kernel and iptables, or nft, lack of what these rules are made of. */
export async function findLacks(
  config: Pick<Config, 'wans' | 'services' | 'rules' | 'policies'>,
  { main, ipsec }: Pick<Facts, 'main' | 'ipsec'>,
  { programs, backend }: Pick<Firewall, 'programs' | 'backend'>,
  run: Run,
): Promise<Lack[]> {
  const { rules, policies } = config;
  const families = servedFamilies(config);
  const queues = rules.engine === 'nfqueue';
  if (backend === 'nft') {
    return [
      ...(queues && !(await canQueue(run)) ? [NFT_QUEUE] : []),
      ...(queues && !existsSync('/proc/net/netfilter/nfnetlink_queue') ? [QUEUE] : []),
    ];
  }
  const trials = queues ? [...TRIALS, QUEUE_TRIAL] : TRIALS;
  const tried = await Promise.all(
    families.flatMap((family) =>
      trials.map(async (trial) =>
        missingIn((await run([programs[family], '-w', '5', ...trial.split(' ')])).stderr),
      ),
    ),
  );
  const extensions = [...new Set(tried.flat())];
  const networks = Math.max(...FAMILIES.map((family) => main[family].length));
  return [
    ...extensions.map((name) => ({
      what: `xt_${name}`,
      effect: 'rules with it cannot be made, or do nothing',
      todo: `modprobe xt_${name} (OpenWrt: iptables-mod-...)`,
    })),
    ...(queues && !existsSync('/proc/net/netfilter/nfnetlink_queue') ? [QUEUE] : []),
    ...(networks > MOST_LISTED && !hasNetworkSets() ? [NETWORKS] : []),
    ...(stickyPolicies(policies).size > 0 && !hasClientSets() ? [CLIENTS] : []),
    ...(ipsec === 'unmatched' ? [POLICY] : []),
  ];
}

const NFT_QUEUE: Lack = {
  what: 'nft_queue',
  effect: 'rules of nft cannot ask a daemon',
  todo: 'modprobe nft_queue, or --backend iptables',
};
const QUEUE: Lack = {
  what: 'nfnetlink_queue',
  effect: 'no daemon can decide',
  todo: 'modprobe nfnetlink_queue',
};
const NETWORKS: Lack = {
  what: 'ip_set_hash_net',
  effect: 'each specific route is a rule of its own',
  todo: 'modprobe ip_set_hash_net',
};
const CLIENTS: Lack = {
  what: 'ip_set_hash_ip',
  effect: 'sticky clients are kept by the daemon alone',
  todo: 'modprobe ip_set_hash_ip',
};
const POLICY: Lack = {
  what: 'xt_policy',
  effect: 'what IPsec should take is balanced and translated',
  todo: 'modprobe xt_policy, or --exclude the networks behind the policies',
};

/** The extensions that iptables says are missing, in the kernel or of its own. */
export function missingIn(stderr: string): string[] {
  const inKernel = [...stderr.matchAll(/Extension (\S+) revision \d+ not supported/g)].map(
    ([, name]) => name!,
  );
  const ofOwn = [...stderr.matchAll(/Couldn't load (?:match|target) [`'"](\S+?)['"`]/g)].map(
    ([, name]) => name!,
  );
  return [...inKernel, ...ofOwn];
}
