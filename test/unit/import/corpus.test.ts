/** What the tests of test/plan and test/netns rely on: each file is imported without a loss, and each of its rules is tried. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import { draftConfig } from '#wanmark/import/yaml.js';
import { readCorpus } from '../../corpus/fixture.js';
import { importOf } from '../../corpus/import.js';

describe('the corpus', () => {
  for (const fixture of readCorpus().filter(({ program }) => program !== 'wanmark')) {
    it(`has ${fixture.name}, which can be said in full`, () => {
      const { draft, findings } = importOf(fixture);
      assert.deepEqual(
        findings.all.filter(({ lost }) => lost),
        [],
      );
      const { wans } = parseConfig(draftConfig(draft));
      const tried = new Set(fixture.intents.flatMap(({ rule }) => rule ?? []));
      assert.deepEqual(tried, new Set(fixture.rules));
      const named = new Set(fixture.intents.flatMap(({ groups }) => groups.flat()));
      const known = wans.map(({ name }) => name);
      assert.deepEqual(
        [...named].filter((name) => !known.includes(name)),
        [],
      );
    });
  }
});
