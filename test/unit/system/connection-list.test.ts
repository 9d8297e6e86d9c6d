import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import { checkQuery, listConnections, listedConfig } from '#wanmark/system/connection-list.js';
import type { AnyConnection } from '#wanmark/system/rtnetlink/connections.js';

const CONFIG = parseConfig({
  wan: ['fibre,dev=eth1,via=192.0.2.1', 'open,dev=eth2,via=198.51.100.1,nat=none'],
  policy: ['voip,use=fibre'],
  rule: ['voip,proto=udp,dport=5060'],
});

function connection(change: Partial<AnyConnection> = {}): AnyConnection {
  return {
    family: 4,
    proto: 6,
    src: '10.0.0.5',
    sport: 5000,
    dst: '1.1.1.1',
    dport: 443,
    mark: 0,
    isAnswered: true,
    tcpState: 'ESTABLISHED',
    since: undefined,
    bytes: undefined,
    isSourceTranslated: true,
    ...change,
  };
}

const sip = { proto: 17, dport: 5060, tcpState: undefined };

/** Lists these connections, by the mark of their WAN. */
function list(all: Record<string, readonly AnyConnection[]>, query = {}) {
  const { fields, wans } = CONFIG;
  return listConnections(listedConfig(CONFIG), { limit: 100, ...query }, (mark, mask, visit) => {
    assert.equal(mask, fields.wans.mask);
    const wan = wans.find((one) => fields.wans.encode(one.mark) === mark)!;
    for (const one of all[wan.name] ?? []) visit(one);
  });
}

describe('the list of connections', () => {
  it('has WAN, policy, state, time and bytes', () => {
    const since = Date.UTC(2026, 10, 30, 12);
    const { found, connections } = list({
      fibre: [connection({ since, bytes: { out: 1, back: 2 } }), connection({ ...sip, isAnswered: false })],
    });
    assert.equal(found, 2);
    const common = { family: 4, src: '10.0.0.5', sport: 5000, dst: '1.1.1.1', wan: 'fibre' };
    assert.deepEqual(connections, [
      {
        ...common,
        proto: 'tcp',
        dport: 443,
        policy: 'default',
        state: 'ESTABLISHED',
        since: '2026-11-30T12:00:00.000Z',
        bytes: { out: 1, back: 2 },
      },
      { ...common, proto: 'udp', dport: 5060, policy: 'voip', state: 'unanswered', since: null, bytes: null },
    ]);
  });

  it('knows no policy of what came in by a WAN that translates', () => {
    const came = connection({ isSourceTranslated: false });
    const { connections } = list({ fibre: [came], open: [came] });
    assert.deepEqual(
      connections.map(({ wan, policy }) => [wan, policy]),
      [
        ['fibre', null],
        ['open', 'default'],
      ],
    );
  });

  it('leaves out TCP connections that have ended', () => {
    const ended = ['FIN_WAIT', 'TIME_WAIT', 'CLOSE'].map((tcpState) => connection({ tcpState }));
    assert.equal(list({ fibre: [...ended, connection({ tcpState: 'SYN_SENT' })] }).found, 1);
  });

  it('is bounded, has the newest first, and says how many there are', () => {
    const all = [3, 9, 5].map((since) => connection({ since }));
    const { found, connections } = list({ fibre: all }, { limit: 2 });
    assert.equal(found, 3);
    assert.deepEqual(
      connections.map(({ since }) => Date.parse(since!)),
      [9, 5],
    );
  });

  it('is filtered by WAN, client and policy', () => {
    const all = { fibre: [connection(), connection({ ...sip, src: '10.0.1.9' })], open: [connection()] };
    assert.equal(list(all, { wan: 'open' }).found, 1);
    assert.equal(list(all, { client: '10.0.1.0/24' }).found, 1);
    assert.equal(list(all, { client: '10.0.0.5' }).found, 2);
    assert.equal(list(all, { policy: 'voip' }).found, 1);
    assert.equal(list(all, { policy: 'voip', wan: 'open' }).found, 0);
  });

  it('refuses names that are not there and a client that is no address', () => {
    const check = (query: object) => () => checkQuery(CONFIG, { limit: 1, ...query });
    assert.throws(check({ wan: 'dsl' }), /^UsageError: there is no WAN "dsl"; there are fibre, open$/);
    assert.throws(check({ policy: 'x' }), /^UsageError: there is no policy "x"; there are default, voip$/);
    assert.throws(check({ client: 'pc' }), /^UsageError: client: "pc" is not an address/);
    assert.doesNotThrow(check({ wan: 'fibre', policy: 'default', client: '10.0.0.0/8' }));
  });
});
