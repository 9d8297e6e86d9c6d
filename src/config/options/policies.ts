import type { Option } from '../option.js';

/** Options of the policies: which traffic goes by which WANs. The rules and the daemon both read them. */
export const POLICY_OPTIONS = {
  policy: {
    type: 'list',
    value: 'NAME,key=value,...',
    describe: 'By which WANs some traffic goes: use, strategy, none',
    details: 'By which WANs some traffic goes; repeat it for each. [Its keys](#keys-of-a-policy)',
  },
  rule: {
    type: 'list',
    value: 'POLICY,key=value,...',
    describe:
      'Which traffic goes by the policy: from, to, proto, dport, in, set ...; the first that matches holds',
    details:
      'Which traffic goes by the policy; repeat it for each. The first that matches holds, and what matches none is for every WAN. [Its keys](#keys-of-a-rule)',
  },
  set: {
    type: 'list',
    value: 'NAME,key=value,...',
    describe: 'Networks that rules ask for by a name: net, file, external',
    details: 'Networks that rules ask for by a name; repeat it for each. [Its keys](#keys-of-a-set)',
  },
  sticky: {
    type: 'text',
    value: 'src|src+dst:for=TIME',
    describe: 'Keep each client on its WAN while it comes again within a time, such as src:for=1h',
    details:
      'Keeps each client on its WAN: what `sticky` of a [policy](#keys-of-a-policy) is, for the connections that no rule is for. See [sticky](policies.md#sticky)',
  },
} as const satisfies Record<string, Option>;
