import assert from 'node:assert/strict';
import { it } from 'node:test';
import { inWords, readResult, renderTable } from '../../kernels/table.js';

it('reads what a virtual machine says about a file', () => {
  const result = readResult('file rules-packets 0 12 0 1 40.25 95.75');
  assert.deepEqual(result, { file: 'rules-packets', passed: 12, failed: 0, skipped: 1, seconds: 56 });
  assert.equal(inWords(result), '12, 1 skipped');
});

it('counts a file that ended badly without a failed test as one', () => {
  const result = readResult('file print 124 3 0 0 1 3001');
  assert.equal(result.failed, 1);
  assert.equal(inWords(result), '3 of 4');
});

it('has a line for each file, also where one system did not run it', () => {
  const first = ['file a 0 2 0 0 0 1', 'file b 1 2 1 0 1 3'].map(readResult);
  const second = ['file b 0 3 0 0 0 2'].map(readResult);
  const table = renderTable([
    { title: '6.1', results: first },
    { title: '6.12', results: second },
  ]);
  assert.deepEqual(table.split('\n'), [
    '|  | 6.1 | 6.12 |',
    '| --- | --- | --- |',
    '| a | 2 |  |',
    '| b | 2 of 3 | 3 |',
    "| the machine's own time | 3 s | 2 s |",
  ]);
});
