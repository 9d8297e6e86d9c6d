import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readHelpers } from '#wanmark/doctor/gather/helpers.js';
import { missingIn } from '#wanmark/doctor/gather/lacks.js';
import {
  assignedHelpers,
  flowtables,
  hasFirewalld,
  hasMwan3,
  translators,
} from '#wanmark/doctor/gather/rulesets.js';

const saved = (four: string, six = '') => ({ saved: { 4: four, 6: six }, nft: '' });
const nft = (text: string) => ({ saved: { 4: '', 6: '' }, nft: text });

/** As fw4 of OpenWrt makes it (nft 1.0.8), with a flowtable that nobody uses beside it. */
const FW4 = `table inet fw4 {
	ct helper amanda {
		type "amanda" protocol udp
		l3proto inet
	}

	flowtable ft {
		hook ingress priority filter
		devices = { "eth1", "br-lan" }
		flags offload
		counter
	}

	flowtable idle {
		hook ingress priority filter
		devices = { "eth2" }
	}

	chain forward {
		type filter hook forward priority filter; policy drop;
		meta l4proto { tcp, udp } flow add @ft
		udp dport 10080 ct helper set "amanda"
	}

	chain srcnat_wan {
		meta nfproto ipv4 masquerade comment "!fw4: Masquerade IPv4 wan traffic"
	}
}
`;

describe('what is read of rulesets', () => {
  it('flowtables that a rule uses', () => {
    assert.deepEqual(flowtables(nft(FW4)), [
      { name: 'inet fw4 ft', devices: ['eth1', 'br-lan'], isHardware: true, counts: true },
    ]);
    const plain = FW4.replace('\t\tflags offload\n\t\tcounter\n', '').replace('flow add', 'flow offload');
    assert.deepEqual(flowtables(nft(plain)), [
      { name: 'inet fw4 ft', devices: ['eth1', 'br-lan'], isHardware: false, counts: false },
    ]);
    assert.deepEqual(flowtables(nft('')), []);
  });

  it('who translates, and what', () => {
    const rules = [
      '-A POSTROUTING -j WANMARK_NAT',
      '-A WANMARK_NAT -o eth1 -m mark --mark 0x1000000/0x3f000000 -j MASQUERADE',
      '-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE',
      '-A MINE -o eth2 -j SNAT --to-source 192.0.2.2',
      '-A POSTROUTING ! -s 10.0.0.0/8 -j ACCEPT',
    ];
    assert.deepEqual(translators(saved(rules.join('\n'))), [
      { family: 4, source: '172.17.0.0/16', out: undefined },
      { family: 4, source: undefined, out: 'eth2' },
    ]);
    assert.deepEqual(
      translators(nft(FW4)).map(({ family }) => family),
      [4, 6],
    );
    // The tables of iptables-nft are shown by iptables-save.
    assert.deepEqual(translators(nft(FW4.replace('table inet fw4', 'table ip nat'))), []);
  });

  it('helpers that rules give, and that were loaded', () => {
    const raw = saved('*raw\n-A PREROUTING -p tcp -m tcp --dport 21 -j CT --helper ftp\nCOMMIT');
    assert.deepEqual(assignedHelpers(raw), ['ftp']);
    assert.deepEqual(assignedHelpers(nft(FW4)), ['amanda']);
    const files: Readonly<Record<string, string>> = {
      '/proc/modules':
        'nf_conntrack_netlink 1 0 - Live\nnf_conntrack_sip 1 0 - Live\nnf_conntrack 1 0 - Live\n',
      '/proc/sys/net/netfilter/nf_conntrack_helper': '1\n',
    };
    assert.deepEqual(
      readHelpers(raw, (file) => files[file]!),
      { automatic: true, loaded: ['sip'], assigned: ['ftp'] },
    );
  });

  it('firewalld in iptables, and mwan3', () => {
    assert.equal(
      hasFirewalld(saved('*mangle\n:PREROUTING ACCEPT [0:0]\n:PREROUTING_direct - [0:0]\n')),
      true,
    );
    assert.equal(hasFirewalld(saved('*filter\n:INPUT ACCEPT [0:0]\n')), false);
    assert.equal(hasMwan3(saved('', '*mangle\n:mwan3_hook - [0:0]\n')), true);
    assert.equal(hasMwan3(saved('*mangle\n:WANMARK - [0:0]\n')), false);
  });

  it('extensions that are missing, of the kernel and of iptables', () => {
    assert.deepEqual(
      missingIn(
        'Warning: Extension mac revision 0 not supported, missing kernel module?\niptables: Bad rule',
      ),
      ['mac'],
    );
    assert.deepEqual(missingIn("iptables v1.8.9 (nf_tables): Couldn't load match `statistic':No such file"), [
      'statistic',
    ]);
    assert.deepEqual(missingIn('iptables: Bad rule (does a matching rule exist in that chain?).'), []);
  });
});
