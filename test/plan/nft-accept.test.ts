/** Our rule in the forward chains of others: what is to be done where it is missing, behind others, or not wanted. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nftSteps } from '#wanmark/plan/diff/nft.js';

const TABLE = ['table inet wanmark', 'chain a', 'rule a return'];
const ACCEPT = 'accept meta mark & 0x0000ff00 != 0x00000000 accept';
const INSERTED = (chain: string) =>
  `insert rule ${chain} meta mark & 0x0000ff00 != 0x00000000 accept comment "wanmark forward"`;
const steps = (forward: string[], want: string[]) =>
  nftSteps({ have: [...TABLE, ...forward], asked: TABLE }, want);

describe('the rule in forward chains of others', () => {
  it('is put first where it is not, once, and otherwise left', () => {
    const forward = [
      'forward inet fw4 forward none',
      'forward ip filter FORWARD first 7',
      'forward ip6 filter FORWARD behind 8',
      'forward inet twice forward first 4 9',
    ];
    assert.deepEqual(steps(forward, [...TABLE, ACCEPT]), [
      INSERTED('inet fw4 forward'),
      INSERTED('ip6 filter FORWARD'),
      'delete rule ip6 filter FORWARD handle 8',
      INSERTED('inet twice forward'),
      'delete rule inet twice forward handle 4',
      'delete rule inet twice forward handle 9',
    ]);
  });

  it('goes where it is not wanted, and with the table', () => {
    const forward = ['forward inet fw4 forward none', 'forward ip filter FORWARD first 7'];
    assert.deepEqual(steps(forward, TABLE), ['delete rule ip filter FORWARD handle 7']);
    assert.deepEqual(steps(forward, []), [
      'delete table inet wanmark',
      'delete rule ip filter FORWARD handle 7',
    ]);
    assert.deepEqual(nftSteps({ have: forward, asked: [] }, []), ['delete rule ip filter FORWARD handle 7']);
  });
});
