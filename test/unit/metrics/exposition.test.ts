import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { exposition } from '#wanmark/metrics/exposition.js';

describe('exposition', () => {
  const metric = { name: 'some_total', type: 'counter', help: 'Some.' } as const;

  it('has help, type and a line for each value', () => {
    const samples = [
      { labels: {}, value: 1 },
      { labels: { wan: 'fibre', queue: 7 }, value: 0.25 },
    ];
    assert.equal(
      exposition([{ ...metric, samples }]),
      '# HELP some_total Some.\n# TYPE some_total counter\nsome_total 1\nsome_total{wan="fibre",queue="7"} 0.25\n',
    );
  });

  it('leaves out what is not known, and a metric of which nothing is', () => {
    const samples = [
      { labels: { a: 1 }, value: null },
      { labels: { a: 2 }, value: undefined },
    ];
    assert.equal(exposition([{ ...metric, samples }]), '');
    assert.match(
      exposition([{ ...metric, samples: [...samples, { labels: { a: 3 }, value: 0 }] }]),
      /} 0\n$/,
    );
  });

  it('does not let a text end its line or its quotes', () => {
    const samples = [{ labels: { target: 'a"b\\c\nd' }, value: 1 }];
    const text = exposition([{ ...metric, help: 'One\ntwo \\ "three".', samples }]);
    assert.equal(
      text,
      '# HELP some_total One\\ntwo \\\\ "three".\n# TYPE some_total counter\nsome_total{target="a\\"b\\\\c\\nd"} 1\n',
    );
  });

  it('adds up values with the same labels, which would make the whole answer invalid', () => {
    const sample = (value: number) => ({ labels: { target: '192.0.2.1' }, value });
    assert.match(exposition([{ ...metric, samples: [sample(2), sample(3)] }]), /some_total\{[^\n]*} 5\n$/);
  });
});
