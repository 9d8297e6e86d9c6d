// The watch over clients' connections reads the kernel's own entries right.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { connect } from 'node:net';
import { lookup } from '#wanmark/conntrack/requests.js';
import { isAnswered } from '#wanmark/wan/passive/answered.js';
import { FAMILIES, installMarks, portOf, Traffic, until } from './conntrack-harness.js';
import { LOCAL, rule, scenario } from './queue-harness.js';

const NOWHERE = { 4: '192.0.2.9', 6: '2001:db8::9' } as const;

scenario(import.meta.url, 'an answered connection, one that nobody answers, and none', async () => {
  installMarks();
  const traffic = await Traffic.start();
  for (const family of FAMILIES) {
    const { sport, close } = await traffic.open(family, 1);
    const answered = { family, proto: 6, src: LOCAL[family], dst: LOCAL[family], sport, dport: portOf(1) };
    assert.equal(isAnswered(6, await lookup(answered)), true);
    assert.equal(isAnswered(6, await lookup({ ...answered, sport: 1 })), undefined);
    close();

    // Packets to this address are tracked and get no answer.
    execFileSync('ip', ['addr', 'add', NOWHERE[family], 'dev', 'lo', ...(family === 6 ? ['nodad'] : [])]);
    rule(family, `-A INPUT -d ${NOWHERE[family]} -j DROP`);
    const localPort = 12345;
    const socket = connect({
      host: NOWHERE[family],
      port: portOf(1),
      localAddress: NOWHERE[family],
      localPort,
    });
    socket.on('error', () => {});
    const silent = { ...answered, src: NOWHERE[family], dst: NOWHERE[family], sport: localPort };
    await until(async () => (await lookup(silent)) !== undefined);
    assert.equal(isAnswered(6, await lookup(silent)), false);
    socket.destroy();
  }
  traffic.stop();
});
