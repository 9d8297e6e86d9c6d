/** Docker's rules, as dockerd writes them, and a container behind them. dockerd itself needs the machine's control groups. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Lab } from '#wanmark/lab/lab.js';
import { beside, COUNT, EVENLY, shares } from '../helpers/beside.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';

const CONTAINER = '172.17.0.2';

/** What it writes for its bridge; the LAN is let through as its manual says. */
const START = `ip link add docker0 type bridge; ip address add 172.17.0.1/16 dev docker0; ip link set docker0 up
iptables-restore --noflush <<end
*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
COMMIT
*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -i lan0 -j ACCEPT
-A DOCKER-USER -o lan0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-USER -j RETURN
COMMIT
end`;

/** A container that publishes the port 8080. */
const PUBLISH = `ip link set box master docker0; ip link set box up
iptables -t nat -A POSTROUTING -s ${CONTAINER} -d ${CONTAINER} -p tcp --dport 7 -j MASQUERADE
iptables -t nat -A DOCKER ! -i docker0 -p tcp --dport 8080 -j DNAT --to-destination ${CONTAINER}:7
iptables -A DOCKER -d ${CONTAINER} ! -i docker0 -o docker0 -p tcp --dport 7 -j ACCEPT`;

const STOP = `iptables -P FORWARD ACCEPT
for table in nat filter; do
  iptables-save -t $table | grep DOCKER | grep '^-A [A-Z]* ' | grep -v '^-A DOCKER' | sed 's/^-A/-D/' |
    while read -r rule; do iptables -t $table $rule; done
done
iptables-save -t filter | grep docker0 | grep '^-A FORWARD' | sed 's/^-A/-D/' | while read -r rule; do iptables $rule; done
iptables-save -t nat | grep '^-A POSTROUTING -s 172.17' | sed 's/^-A/-D/' | while read -r rule; do iptables -t nat $rule; done
iptables-save -t filter | sed -n 's/^:\\(DOCKER[^ ]*\\) .*/\\1/p' >/run/chains
for verb in F X; do while read -r chain; do iptables -$verb $chain; done </run/chains; done
iptables -t nat -F DOCKER; iptables -t nat -X DOCKER; ip link del docker0`;

/** Takes a host from the LAN and makes it the container. */
async function makeContainer(lab: Lab): Promise<void> {
  const box = lab.host('lanserver');
  await box.sh('ip link del lan0');
  await lab.sandbox.exec([
    'ip',
    ...'link add eth0 netns lanserver type veth peer name box netns router'.split(' '),
  ]);
  await box.sh(
    `ip address add ${CONTAINER}/16 dev eth0; ip link set eth0 up; ip route add default via 172.17.0.1`,
  );
  await box.agent.request({ op: 'serve', port: 7, addresses: [CONTAINER] });
}

test(
  'Docker: what containers open is balanced, and what is published is answered by the WAN that it came in by',
  needs(nfqueue, addon),
  async () => {
    await beside({ lanServer: true }, async (it) => {
      const { lab } = it;
      await lab.router.sh(START);
      await it.well('its start');
      await makeContainer(lab);
      await lab.router.sh(PUBLISH);
      await it.well('a container has come');
      const opened = await lab.connect({ from: lab.host('lanserver'), count: COUNT });
      assert.deepEqual(shares(opened), EVENLY, 'what the container opens');
      for (const { address } of lab.wans) {
        const asked = await lab.connect({ from: lab.server, to: address, port: 8080, count: 10 });
        const failed = asked.flatMap(({ error }) => error ?? []);
        assert.deepEqual(failed, [], `what is published, at ${address}`);
      }
      await lab.router.sh(`${STOP}; ip link del box`);
      await it.well('its end');
    });
  },
);
