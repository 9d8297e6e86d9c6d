import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readPage } from '../../docs/pages.js';
import { readyScripts } from '../../docs/ready-scripts.js';

const scripts = await readyScripts();

describe('the ready scripts', () => {
  it('are four, and docs/scripts.md names each', () => {
    const page = readPage('docs/scripts.md');
    assert.equal(scripts.size, 4);
    for (const path of scripts.keys()) assert.ok(page.includes(`\`${path}\``), path);
  });

  for (const [path, text] of scripts) {
    it(`${path} is what \`npm run docs\` writes`, () => assert.equal(readPage(path), text));
  }
});
