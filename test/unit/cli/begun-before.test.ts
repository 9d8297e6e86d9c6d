import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { forgetBegunBefore } from '#wanmark/cli/begun-before.js';
import { parseConfig } from '#wanmark/config/config.js';
import type { Selection } from '#wanmark/conntrack/selection.js';
import { SystemError } from '#wanmark/errors.js';

/** IPS_EXPECTED, IPS_SEEN_REPLY, IPS_SRC_NAT and IPS_DST_NAT of linux/netfilter/nf_conntrack_common.h. */
const [EXPECTED, SEEN_REPLY, SRC_NAT, DST_NAT] = [1, 2, 16, 32];

const config = parseConfig({
  wan: ['fibre,dev=w1,via=192.0.2.1,via6=fe80::1,nat6=none', 'dsl,dev=w2,via=198.51.100.1,nat=none'],
});
const { mask, encode } = config.fields.wans;

/** Whether a connection with such a mark, family and status is forgotten. */
async function forgets(mark: number, family: 4 | 6, status = 0): Promise<boolean> {
  const asked: (Selection & { mark: number; mask: number })[] = [];
  const failure = await forgetBegunBefore(config, async (value, under, selection) => {
    asked.push({ ...selection, mark: value, mask: under });
    return undefined;
  });
  assert.equal(failure, undefined);
  return asked.some(
    (one) =>
      one.family === family &&
      ((mark ^ one.mark) & one.mask) === 0 &&
      ((status ^ one.status!) & one.statusMask!) === 0,
  );
}

describe('what began before the rules were there', () => {
  it('is forgotten while nobody has answered it, in both families, whatever else its status and its mark say', async () => {
    const confirmed = 8;
    for (const family of [4, 6] as const) {
      assert.ok(await forgets(0, family, confirmed));
      assert.ok(await forgets(0x77 & ~mask, family));
    }
  });

  it('stays where it was answered, is expected, or is translated by somebody', async () => {
    for (const status of [EXPECTED, SEEN_REPLY, SRC_NAT, DST_NAT])
      assert.equal(await forgets(0, 4, status), false, String(status));
  });

  it('stays on a WAN that translates nothing in its family, and under a number of nobody, and on no other', async () => {
    assert.equal(await forgets(encode.call(config.fields.wans, 40), 4), false);
    const [fibre, dsl] = [1, 2].map((number) => encode.call(config.fields.wans, number));
    assert.deepEqual(
      [await forgets(fibre!, 4), await forgets(fibre!, 6), await forgets(dsl!, 4), await forgets(dsl!, 6)],
      [true, false, false, false],
    );
  });

  it('is left to the user where the kernel refuses', async () => {
    const refused = await forgetBegunBefore(config, async () => {
      throw new SystemError('CONNTRACK', 'flush of 0x0: EPERM');
    });
    assert.match(refused!, /stays untranslated: flush of 0x0: EPERM; or run 'conntrack -D -p udp' once/);
  });
});
