import { examination } from '../examination.js';

export const programs = examination({
  name: 'programs',
  asks: 'Whether a program runs that takes away rules of others, or does the same work.',
  kinds: {
    networkd: {
      level: 'warning',
      means:
        'systemd-networkd takes ip rules of others away whenever it sets up a device anew. The daemon puts ours back; until then connections of other WANs go by the main table.',
      todo: '`ManageForeignRoutingPolicyRules=no` and `ManageForeignRoutes=no` in the section `[Network]` of `/etc/systemd/networkd.conf`; see [beside it](coexistence.md#networkmanager-systemd-networkd-dhcp-clients-pppd).',
    },
    firewalld: {
      level: 'warning',
      means:
        'firewalld has rules in iptables (`FirewallBackend=iptables`, or direct rules), and empties all tables of iptables, ours included, when it starts and reloads, whatever `FlushAllOnReload` says. With nftables alone it does not.',
      todo: '`FirewallBackend=nftables` without direct rules; or let the daemon put our rules back.',
    },
    mwan3: {
      level: 'wrong',
      means: 'mwan3 has rules, and does the work of wanmark: two balancers choose for each connection.',
      todo: 'Stop and disable mwan3; `wanmark import` [reads its configuration](from-mwan3.md).',
    },
  },
  examine: ({ others }) => {
    if (others === undefined) return { faults: [] };
    const faults = [
      ...(others.mwan3
        ? [
            {
              kind: 'mwan3' as const,
              text: 'mwan3 has rules, too, and does the same work',
              todo: 'stop and disable it (mwan3 stop)',
            },
          ]
        : []),
      ...(others.networkd
        ? [
            {
              kind: 'networkd' as const,
              text: 'systemd-networkd runs, and takes ip rules of others away at each reload',
              todo: 'ManageForeignRoutingPolicyRules=no in /etc/systemd/networkd.conf',
            },
          ]
        : []),
      ...(others.firewalld
        ? [
            {
              kind: 'firewalld' as const,
              text: 'firewalld has rules in iptables, and empties its tables at each reload',
              todo: 'FirewallBackend=nftables in /etc/firewalld/firewalld.conf, no direct rules',
            },
          ]
        : []),
    ];
    return { ok: faults.length > 0 ? undefined : 'none that takes rules of others away', faults };
  },
});
