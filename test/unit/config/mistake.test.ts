import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { parseConfig } from '#wanmark/config/config.js';
import { locateMistake } from '#wanmark/config/mistake.js';
import type { RawConfig } from '#wanmark/config/options.js';

const GOOD = `# two uplinks
strategy: weighted
wan:
  - name: fibre
    dev: eth1
    weight: 5
  - { name: dsl, dev: eth2, via: 192.0.2.1 }
check:
  - all=ping,to=1.1.1.1
policy: [ "video,use=dsl" ]
rule: [ "video,dport=443,proto=tcp" ]
`;

/** What is said of the text, with the flags that are given besides. */
async function said(text: string, flags: RawConfig = {}): Promise<string> {
  const check = (raw: RawConfig) => void parseConfig({ ...raw, ...flags });
  try {
    check(parse(text) as RawConfig);
  } catch (error) {
    return ((await locateMistake({ path: 'wan.yaml', text }, error, check)) as Error).message;
  }
  return 'nothing';
}

describe('the place of a mistake', () => {
  for (const [what, from, to, place] of [
    ['a value', 'weight: 5', 'weight: many', '6:5: WAN "fibre": weight "many"'],
    ['a key', 'weight: 5', 'weigt: 5', '6:5: WAN "fibre": unknown key "weigt"'],
    ['a key in one line', 'via: 192', 'vai: 192', '7:29: WAN "dsl": unknown key "vai"'],
    ['an option', 'strategy: weighted', 'strategi: weighted', '2:1: unknown option "strategi"'],
    ["an option's value", 'weighted', 'wieghted', '2:1: unknown strategy "wieghted"'],
    [
      'an item as text',
      'all=ping,to=1.1.1.1',
      'all=pong,to=1.1.1.1',
      '9:5: check of "all": unknown kind "pong"',
    ],
    ['what refers to something else', 'use=dsl', 'use=dsk', '10:11: policy "video"'],
    ['the second of two', 'name: dsl', 'name: fibre', '7:7: two WANs are named "fibre"'],
  ] as const) {
    it(`is that of ${what}`, async () => {
      const message = await said(GOOD.replace(from, to));
      assert.ok(message.startsWith(`wan.yaml:${place}`), message);
    });
  }

  it('is that of the item where there is a second mistake', async () => {
    const message = await said(GOOD.replace('weight: 5', 'weight: many').replace('use=dsl', 'use=dsk'));
    assert.match(message, /^wan.yaml:4:5: WAN "fibre": weight "many"/);
  });

  it('is not said where no part of the file is to blame', async () => {
    assert.match(await said('strategy: weighted'), /^no WAN given/);
    assert.match(await said(GOOD, { queues: '99' }), /^queues "99"/);
  });
});
