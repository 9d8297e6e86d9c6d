import { examination } from '../examination.js';

export const helpers = examination({
  name: 'helpers',
  asks: 'Whether conntrack helpers (FTP, SIP and the like) are given to connections in a way that works and is meant. A data connection that a helper expects goes by the WAN of its connection.',
  kinds: {
    automatic: {
      level: 'warning',
      means:
        '`net.netfilter.nf_conntrack_helper` is 1: whatever comes from a client to such a port can open ports through NAT. The kernel has no such setting since 6.0.',
      todo: 'Set it to 0, and give helpers by rules: `iptables -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp`.',
    },
    unassigned: {
      level: 'warning',
      means:
        'A helper was loaded, and no rule gives it to a connection, so it does nothing: active FTP through NAT fails, for example.',
      todo: 'Give it by a rule, as above, or unload it.',
    },
  },
  examine: ({ helpers: found }) => {
    if (found === undefined) return { faults: [] };
    const { automatic, loaded, assigned } = found;
    if (automatic) {
      const text = 'net.netfilter.nf_conntrack_helper is 1, so any client can have ports opened';
      return { faults: [{ kind: 'automatic', text, todo: 'sysctl -w net.netfilter.nf_conntrack_helper=0' }] };
    }
    const idle = loaded.filter((name) => !assigned.includes(name));
    if (idle.length > 0) {
      const text = `loaded, and given to no connection by a rule: ${idle.join(', ')}`;
      const todo = `iptables -t raw -A PREROUTING -p PROTO --dport PORT -j CT --helper ${idle[0]}`;
      return { faults: [{ kind: 'unassigned', text, todo }] };
    }
    return { ok: assigned.length > 0 ? `given by rules: ${assigned.join(', ')}` : 'none', faults: [] };
  },
});
