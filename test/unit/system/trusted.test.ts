import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { doubtAbout } from '#wanmark/system/trusted.js';

const ME = process.geteuid!();
const isRoot = ME === 0;

describe('a program is doubted', () => {
  let dir: string;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'wanmark-trusted-'));
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  const make = (name: string, mode: number) => {
    writeFileSync(join(dir, name), '');
    // Not by the mode of writeFileSync, which the umask would cut.
    chmodSync(join(dir, name), mode);
    return join(dir, name);
  };
  const folder = (name: string, mode: number) => {
    mkdirSync(join(dir, name));
    chmodSync(join(dir, name), mode);
    return name;
  };
  const why = (path: string) => doubtAbout(path, [ME])?.why;

  it('neither in a directory of ours below a sticky one nor by a link of ours to it', () => {
    const file = make('good', 0o755);
    symlinkSync('good', join(dir, 'link'));
    symlinkSync(dir, join(dir, 'there'));
    for (const path of [
      file,
      join(dir, 'link'),
      `${dir}/./there//there/good`,
      `${dir}/there/../../${file}`,
    ]) {
      assert.equal(why(path), undefined, path);
    }
    assert.equal(why('/bin/sh'), undefined);
  });

  for (const mode of [0o775, 0o757, 0o1757]) {
    it(`when others can write it: ${mode.toString(8)}`, () => {
      const file = make(`open-${mode}`, mode);
      assert.deepEqual(doubtAbout(file, [ME]), {
        part: file,
        why: `others can write ${file} (mode ${mode.toString(8).padStart(4, '0')})`,
        remedy: `chmod go-w ${file}`,
      });
    });
  }

  it('when a directory on its way is open, unless that is sticky', () => {
    for (const [name, mode] of [
      ['any', 0o777],
      ['group', 0o775],
    ] as const) {
      folder(name, mode);
      mkdirSync(join(dir, name, 'deep'));
      assert.match(
        why(make(`${name}/deep/hook`, 0o755)) ?? '',
        new RegExp(`^others can write ${dir}/${name} `),
      );
    }
    folder('sticky', 0o1777);
    assert.equal(why(make('sticky/hook', 0o755)), undefined);
  });

  it('when a link leads through an open directory, or lies in one', () => {
    folder('loose', 0o777);
    const target = make('target', 0o755);
    symlinkSync(target, join(dir, 'loose', 'link'));
    symlinkSync('loose/link', join(dir, 'over'));
    for (const path of ['loose/link', 'over', 'loose/../target']) {
      assert.match(why(`${dir}/${path}`) ?? '', /^others can write \S+\/loose /, path);
    }
    symlinkSync('circle', join(dir, 'circle'));
    assert.match(why(join(dir, 'circle')) ?? '', /in a circle/);
  });

  it("when it, or a directory on its way, is somebody else's", { skip: !isRoot }, () => {
    const file = make('theirs', 0o755);
    chownSync(file, 1234, 0);
    assert.equal(why(file), `${file} belongs to user 1234`);
    assert.equal(doubtAbout(file, [ME, 1234]), undefined, 'unless that is the user it is run as');
    folder('home', 0o1755);
    const hook = make('home/hook', 0o755);
    chownSync(join(dir, 'home'), 1234, 0);
    assert.equal(why(hook), `${dir}/home belongs to user 1234`);
  });
});
