import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EXAMINATIONS } from '#wanmark/doctor/examinations.js';
import { doctorPage } from '../../docs/doctor-page.js';
import { readPage } from '../../docs/pages.js';

describe('docs/doctor.md', () => {
  const page = readPage('docs/doctor.md');

  it('is what `npm run docs` writes', () => {
    assert.equal(page, doctorPage());
  });

  it('has a section for each examination, and a row for each of its lines', () => {
    for (const { name, kinds } of EXAMINATIONS) {
      const section = page.split(`\n## ${name}\n`)[1]?.split('\n## ')[0] ?? '';
      const rows = [...section.matchAll(/^\| `(\S+)` \| (warning|wrong) \| .+ \| .+ \|$/gm)];
      assert.deepEqual(
        rows.map(([, kind, level]) => [kind, level]),
        Object.entries(kinds).map(([kind, { level }]) => [kind, level]),
        name,
      );
    }
  });
});
