/** What iptables of both variants says about a match, in its own words (1.8.9). */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readIpsec } from '#wanmark/system/ipsec.js';
import type { Finished, Run } from '#wanmark/system/run.js';

const NO_RULE = 'iptables: Bad rule (does a matching rule exist in that chain?).\n';
const WARNING = 'Warning: Extension policy revision 0 not supported, missing kernel module?\n';
const NO_PART = "iptables v1.8.9 (nf_tables): Couldn't load match `policy':No such file or directory\n";

const POLICY = 'src 10.9.0.0/24 dst 10.8.0.0/24\n\tdir out priority 0\n';

/** A machine with these answers of iptables and ip6tables, and these policies. */
function machine(answers: Readonly<Record<string, Partial<Finished>>>, policies = ''): Run {
  return async ([program, ...args]) => {
    const nothing = { code: 0, stdout: '', stderr: '' };
    if (program !== 'ip') return { ...nothing, ...answers[program] };
    assert.deepEqual(args.slice(1), ['xfrm', 'policy']);
    return { ...nothing, stdout: args[0] === '-4' ? policies : '' };
  };
}

const BOTH = ['iptables', 'ip6tables'];
const here = { code: 1, stderr: NO_RULE };

describe('readIpsec', () => {
  it('takes a missing rule for a match that is there', async () => {
    assert.equal(await readIpsec(BOTH, machine({ iptables: here, ip6tables: here }, POLICY)), 'matched');
    assert.equal(await readIpsec(BOTH, machine({})), 'matched', 'somebody has that very rule');
  });

  for (const [what, answer] of Object.entries({
    'the kernel lacks it': { code: 1, stderr: WARNING + NO_RULE },
    'iptables lacks it': { code: 2, stderr: NO_PART },
    'iptables itself is missing': { code: 127, stderr: '' },
  })) {
    it(`says so where ${what}, for one family or both`, async () => {
      for (const answers of [
        { iptables: answer, ip6tables: answer },
        { iptables: here, ip6tables: answer },
      ]) {
        assert.equal(await readIpsec(BOTH, machine(answers)), 'unused');
        assert.equal(await readIpsec(BOTH, machine(answers, POLICY)), 'unmatched');
      }
    });
  }

  it('asks only for the families that have rules', async () => {
    assert.equal(
      await readIpsec(['iptables'], machine({ iptables: here, ip6tables: { code: 2 } })),
      'matched',
    );
  });
});
