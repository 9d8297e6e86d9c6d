/** Programs that take the whole of the router's network for theirs: systemd-networkd and NetworkManager. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Lab } from '#wanmark/lab/lab.js';
import { beside, packaged } from '../helpers/beside.js';
import { addon, needs, nfqueue, packages, root } from '../helpers/requires.js';
import { eventually } from '../helpers/router-state.js';

interface Link {
  readonly dev: string;
  readonly address: string;
  readonly via?: string;
}

const LINKS: readonly Link[] = [
  { dev: 'lan0', address: '10.0.0.1/24' },
  { dev: 'wan1', address: '198.51.100.2/29', via: '198.51.100.1' },
  { dev: 'wan2', address: '198.51.100.10/29', via: '198.51.100.9' },
];

/** Where /sys can be written, both wait for udev to tell them of each device. */
const NO_UDEV = 'mount -o remount,bind,ro /sys';

/** A bus on which anybody may do anything. */
const BUS = `mkdir -p /run/dbus
cat >/run/dbus/conf <<end
<busconfig>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
  </policy>
</busconfig>
end
dbus-daemon --config-file=/run/dbus/conf --fork --nopidfile
`;

function networkdFile({ dev, address, via }: Link, metric: number): string {
  const gateway = via === undefined ? '' : `[Route]\nGateway=${via}\nMetric=${metric}\n`;
  return `cat >/run/systemd/network/${dev}.network <<end
[Match]
Name=${dev}
[Network]
Address=${address}
${gateway}end
`;
}

const COUNT_DEFAULTS = 'ip route | grep -c "^default .* proto static"';

test(
  'systemd-networkd: what it takes away as strange to it is there again, unless it is told to leave it',
  needs(nfqueue, addon, root, packages),
  async () => {
    const start = (lab: Lab) =>
      packaged(
        lab.router,
        `${NO_UDEV}\n/lib/systemd/systemd-networkd >/run/networkd.log 2>&1 </dev/null & echo $! >/run/networkd.pid`,
      );
    const prepare = async (lab: Lab) => {
      const files = LINKS.map((link, i) => networkdFile(link, 100 * i)).join('');
      await lab.router.sh(`for dev in lan0 wan1 wan2; do ip address flush dev $dev; done
mkdir -p /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/network
chown -R systemd-network:systemd-network /run/systemd/netif
${BUS}${files}`);
      await start(lab);
      const look = async () =>
        (await lab.router.exec(['sh', '-c', COUNT_DEFAULTS], { okCodes: 'any' })).stdout;
      await eventually(look, (count) => count === '2\n', 'its default routes');
    };
    await beside({ prepare }, async (it) => {
      const { router } = it.lab;
      const deleted = async () =>
        (await router.sh('grep -c "^Deleted.*proto 119" /run/monitor || :')).stdout.trim();
      const monitor = router.spawn(['sh', '-c', 'exec ip monitor rule >/run/monitor']);
      await it.run('networkctl reconfigure lan0');
      await eventually(deleted, (count) => count !== '0', 'rules of ours that it takes away');
      await it.whole('it has taken our rules away');
      await it.well('it has taken our rules away');

      await router.sh(`pid=$(cat /run/networkd.pid); kill $pid; while [ -e /proc/$pid/exe ]; do sleep 0.05; done
mkdir -p /run/systemd/networkd.conf.d
printf '[Network]\\nManageForeignRoutingPolicyRules=no\\nManageForeignRoutes=no\\n' >/run/systemd/networkd.conf.d/wanmark.conf`);
      await start(it.lab);
      const before = await deleted();
      await it.run("timeout 120 sh -c 'until networkctl reconfigure lan0 2>/dev/null; do sleep 0.1; done'");
      await it.until('ip address show dev lan0 | grep -q 10.0.0.1/24');
      await it.well('it leaves our rules alone');
      assert.equal(await deleted(), before);
      await monitor.kill();
      await router.sh('kill $(cat /run/networkd.pid)');
    });
  },
);

/** A connection of NetworkManager's, as a keyfile. */
function keyfile({ dev, address, via }: Link, metric: number): string {
  return `cat >/etc/NetworkManager/system-connections/${dev}.nmconnection <<end
[connection]
id=${dev}
type=ethernet
interface-name=${dev}
[ipv4]
method=manual
address1=${address}${via === undefined ? '' : `,${via}`}
route-metric=${metric}
[ipv6]
method=disabled
end
`;
}

test(
  'NetworkManager: a connection that is changed, ended and begun again is a WAN that follows',
  needs(nfqueue, addon, root, packages),
  async () => {
    const prepare = async (lab: Lab) => {
      await lab.router.sh(`for dev in lan0 wan1 wan2; do ip address flush dev $dev; done\n${BUS}`);
      await packaged(
        lab.router,
        `${NO_UDEV}
mkdir -p /etc/NetworkManager/system-connections
printf '[main]\\nplugins=keyfile\\ndns=none\\nauth-polkit=false\\n' >/etc/NetworkManager/NetworkManager.conf
${LINKS.map((link, i) => keyfile(link, 100 * i)).join('')}
chmod 600 /etc/NetworkManager/system-connections/*
NetworkManager --pid-file=/run/nm.pid >/run/nm.log 2>&1 </dev/null`,
      );
      const look = async () =>
        (await lab.router.exec(['sh', '-c', COUNT_DEFAULTS], { okCodes: 'any' })).stdout;
      await eventually(look, (count) => count === '2\n', 'its default routes', 20000);
    };
    await beside({ prepare, tell: (wan) => ({ ...wan, via: 'auto' }) }, async (it) => {
      await it.run(
        'nmcli connection modify wan2 +ipv4.addresses 198.51.100.12/29; nmcli device reapply wan2',
      );
      await it.until('ip rule | grep -q "from 198.51.100.12 lookup 1002 proto 119"');
      await it.well('another address');
      await it.run('nmcli connection down wan2');
      await it.well('the end of a connection', { wan1: 20 }, 'wan2');
      await it.run('nmcli connection up wan2');
      await it.well('its begin', undefined, 'wan2');
      await it.run('kill $(cat /run/nm.pid)');
      await it.well('the end of NetworkManager', undefined, 'wan2');
    });
  },
);
