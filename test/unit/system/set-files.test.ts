import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { NamedSet } from '#wanmark/config/set.js';
import { readSetFiles, readSetFilesLater } from '#wanmark/system/set-files.js';

describe('readSetFilesLater', () => {
  const folder = mkdtempSync(join(tmpdir(), 'wanmark-sets-'));
  after(() => rmSync(folder, { recursive: true }));
  const fileOf = (name: string, lines: readonly string[]): NamedSet => {
    const path = join(folder, name);
    writeFileSync(path, `${lines.join('\n')}\n`);
    return { name, source: { kind: 'file', path } };
  };
  const many = Array.from(
    { length: 50_000 },
    (_, i) => `10.${(i >> 8) % 250}.${i & 255}.${(i >> 16) * 4}/30`,
  );

  it('lets others have their turns while it reads', async () => {
    const set = fileOf('many', many);
    let isRead = false;
    const reading = readSetFilesLater([set]).then(() => {
      isRead = true;
    });
    let turns = 0;
    while (!isRead) {
      await setImmediate();
      turns++;
    }
    await reading;
    assert.ok(turns >= 50, `${turns} turns`);
    const before = process.cpuUsage();
    const { networks, faults } = readSetFiles([set]);
    const { user, system } = process.cpuUsage(before);
    assert.deepEqual([networks.get('many')?.length, faults], [50_000, []]);
    assert.ok(user + system < 20_000, `known, and read again all the same: ${user + system} us`);
  });

  it('leaves a wrong line and a missing file to whoever asks for the networks', async () => {
    const wrong = fileOf('wrong', ['10.0.0.0/8', 'nonsense']);
    const none: NamedSet = { name: 'none', source: { kind: 'file', path: join(folder, 'none') } };
    await readSetFilesLater([wrong, none]);
    const { networks, faults } = readSetFiles([wrong, none]);
    assert.equal(networks.size, 0);
    assert.match(faults[0]!, /wrong line 2: "nonsense"/);
    assert.match(faults[1]!, /ENOENT/);
  });
});

describe('readSetFiles', () => {
  const directory = mkdtempSync(join(tmpdir(), 'wanmark-sets-'));
  after(() => rmSync(directory, { recursive: true }));
  const fault = (path: string) =>
    readSetFiles([{ name: 'one', source: { kind: 'file', path } }]).faults.join();

  it('waits for nobody who would have to write, and reads nothing without an end', () => {
    const pipe = join(directory, 'pipe');
    execFileSync('mkfifo', [pipe]);
    assert.equal(fault(pipe), `set "one": cannot read ${pipe}: it is not a regular file`);
    assert.equal(fault('/dev/zero'), 'set "one": cannot read /dev/zero: it is not a regular file');
    assert.match(fault(directory), /: it is a directory$/);
  });

  it('shows the beginning of a line that is no network', () => {
    const path = join(directory, 'long');
    writeFileSync(path, `10.0.0.0/8\n${'x'.repeat(100_000)}\n`);
    assert.equal(
      fault(path),
      `set "one": ${path} line 2: "${'x'.repeat(64)}..." is not an address or a network`,
    );
  });
});
