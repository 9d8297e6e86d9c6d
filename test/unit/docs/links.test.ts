import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, it } from 'node:test';
import { anchors, links, PAGES, ROOT, readPage } from '../../docs/pages.js';

/** @returns why a link of `page` leads nowhere; undefined if its target exists or is outside the tree */
function broken(page: string, link: string): string | undefined {
  if (/^[a-z]+:/.test(link)) return undefined;
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? page : normalize(join(dirname(page), path));
  if (!existsSync(ROOT + target)) return `${link}: there is no ${target}`;
  if (anchor === undefined || anchors(readPage(target)).includes(anchor)) return undefined;
  return `${link}: ${target} has no such heading`;
}

describe('links', () => {
  for (const page of PAGES) {
    it(`of ${page} lead somewhere`, () => {
      assert.deepEqual(
        links(readPage(page)).map((link) => broken(page, link)),
        links(readPage(page)).map(() => undefined),
      );
    });
  }

  it('are found to be broken', () => {
    assert.match(broken('README.md', 'docs/nothing.md') ?? '', /there is no docs\/nothing\.md/);
    assert.match(broken('docs/health.md', 'hooks.md#nothing') ?? '', /no such heading/);
    assert.match(broken('docs/health.md', '#nothing') ?? '', /docs\/health\.md has no such heading/);
  });
});

describe('README', () => {
  const readme = readPage('README.md');

  it('has at most 170 lines', () => {
    assert.ok(readme.trimEnd().split('\n').length <= 170);
  });

  it('links to every page of docs/', () => {
    const linked = links(readme);
    assert.deepEqual(
      PAGES.filter((page) => page.startsWith('docs/') && !linked.includes(page)),
      [],
    );
  });

  it('links to nothing that the package leaves out', () => {
    const { files } = JSON.parse(readPage('package.json')) as { files: string[] };
    const missing = links(readme).filter((link) => {
      const target = normalize(link.split('#')[0]!);
      return !/^[a-z]+:/.test(link) && !files.some((one) => target === one || target.startsWith(`${one}/`));
    });
    assert.deepEqual(missing, []);
  });
});
