/** The page in a real Chromium, with a daemon that says what a test wants. A real one is in test/netns/web.test.ts. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, describe, it } from 'node:test';
import type { ConnectionV1 } from '#wanmark/control/connections.js';
import { Web } from '#wanmark/web/server.js';
import { Token } from '#wanmark/web/token.js';
import { Chromium } from '../helpers/chromium.js';
import { FakeDaemon } from '../helpers/fake-daemon.js';
import { needs, packages, root } from '../helpers/requires.js';
import { eventually } from '../helpers/router-state.js';
import { checkStatusOf, statusSample, wanStatus } from '../helpers/status-sample.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const LISTEN = { host: '127.0.0.1', port: 0, isLoopback: true };
const WORD = 'correct-horse-battery-staple';

const card = (wan: string) => `document.querySelector('[data-wan=${wan}]')`;
const button = (text: string, within = 'document') =>
  `[...${within}.querySelectorAll('button')].find((one) => one.textContent.trim().startsWith('${text}'))`;
const state = (wan: string) => `${card(wan)}?.dataset.state`;

/** A connection by a WAN. */
function connection(wan: string, given: Partial<ConnectionV1> = {}): ConnectionV1 {
  const tuple = {
    family: 4,
    proto: 'tcp',
    src: '192.168.1.50',
    sport: 5000,
    dst: '203.0.113.9',
    dport: 443,
  } as const;
  return {
    ...tuple,
    wan,
    policy: null,
    state: 'ESTABLISHED',
    since: null,
    bytes: { out: 1200, back: 3.4e6 },
    ...given,
  };
}

/** A status with every state, a long reason and a note. */
function everything() {
  const reason = `ping ${'2001:db8:ffff:ffff:ffff:ffff:ffff:ffff, '.repeat(3)}: 3 of 3 rounds failed (timeout)`;
  const states = ['up', 'suspected', 'drain', 'down'] as const;
  const wans = states.map((one) => {
    const family = one === 'drain' ? 'up' : one;
    const families = [
      { family: 4, state: family, since: '2026-03-01T12:00:00.000Z', reason, upAt: null, changes: 1 },
    ] as const;
    return wanStatus(`wan-${one}`, {
      state: one,
      reason,
      families,
      checks: [checkStatusOf({ rttMs: null, loss: 0.5 })],
    });
  });
  return statusSample({ wans, notes: ['a note'], rules: { up: false, failure: null } });
}

describe('the page in Chromium', needs(root, packages), () => {
  let daemon: FakeDaemon;
  let web: Web;
  let browser: Chromium;
  const webs: Web[] = [];
  const start = async (more: object = {}) => {
    const one = await Web.start({
      version: '1.2.3',
      listen: LISTEN,
      socket: daemon.socket,
      token: undefined,
      hosts: [],
      allowSet: true,
      onFault: assert.ifError,
      ...more,
    });
    webs.push(one);
    return one;
  };
  before(async () => {
    daemon = await FakeDaemon.start(statusSample());
    daemon.answers.set('/set', () => ({ said: 'fibre: weight 0' }));
    [web, browser] = await Promise.all([start(), Chromium.here()]);
    await browser.show(1100, 900);
    await browser.open(`http://127.0.0.1:${web.port}/`);
    await browser.until(`${state('lte')} === 'up'`, 'the cards');
  });
  after(async () => {
    await browser?.stop();
    for (const one of webs) one.stop();
    await daemon?.stop();
  });
  const text = (of: string) => browser.evaluate<string>(`${of}.innerText`);

  it('says by what evidence a WAN is up, in the words of status', async () => {
    const awaited = [{ kind: 'ping', family: 4, targets: ['192.0.2.9'] }] as const;
    const unchecked = { reason: 'not checked', checks: [] };
    daemon.status = statusSample({
      wans: [wanStatus('fibre', unchecked), wanStatus('lte', { ...unchecked, awaited })],
    });
    const said = (wan: string) => `document.querySelector('[data-wan=${wan}] p').innerText`;
    await browser.until(`${said('fibre')}.endsWith(': carrier only')`, 'nothing asks');
    await browser.until(`${said('lte')}.endsWith(': first check under way')`, 'something will');
    daemon.status = statusSample();
  });

  it('has a line for each WAN in its plots', async () => {
    const DRAWN = (id: string) => `[...document.querySelectorAll('#${id} .u-legend .u-series')].slice(1)
      .map((row) => row.innerText.replace(/\\s+/g, ' '))`;
    const isKnown = (lines: readonly string[]) => lines.length > 0 && lines.every((line) => /\d/.test(line));
    const throughput = await eventually(
      () => browser.evaluate<string[]>(DRAWN('throughput')),
      isKnown,
      'the throughput of each WAN',
    );
    const rates = ['in8.00 kbit/s', 'out800 bit/s'];
    assert.deepEqual(
      throughput,
      ['fibre', 'lte'].flatMap((wan) => rates.map((rate) => `${wan} ${rate}`)),
    );
    const begun = await eventually(
      () => browser.evaluate<string[]>(DRAWN('begun')),
      isKnown,
      'new connections',
    );
    assert.equal(begun.length, 2);
    const COLOURED = `(() => {
      const { width, height } = document.querySelector('#throughput canvas');
      const data = document.querySelector('#throughput canvas').getContext('2d').getImageData(0, 0, width, height).data;
      const blue = [0x00, 0x63, 0xb1];
      for (let i = 0; i < data.length; i += 4)
        if (data[i + 3] > 200 && blue.every((part, k) => Math.abs(data[i + k] - part) < 30)) return true;
      return false;
    })()`;
    // uPlot paints after it has written the legend.
    await eventually(() => browser.evaluate<boolean>(COLOURED), Boolean, 'a line is drawn');
  });

  it('lists live connections by WAN and client, and says in a line what is wrong', async () => {
    const ask = (wan: string, client: string) =>
      browser.evaluate(`{ const form = document.querySelector('#live form');
        form.wan.value = '${wan}'; form.client.value = '${client}'; form.querySelector('button').click(); }`);
    const all = [connection('lte'), connection('lte', { src: '2001:db8::1', policy: 'web', bytes: null })];
    daemon.answers.set('/v1/connections', () => ({ api: 1, found: 70, connections: all }));
    await ask('lte', '192.168.1.0/24');
    await browser.until(`document.querySelectorAll('#live tbody tr').length === 2`, 'the connections');
    assert.equal(
      await text(`document.querySelector('#live tbody')`),
      '192.168.1.50:5000\t203.0.113.9:443\ttcp\tlte\t–\tESTABLISHED\t–\t1.20 kB\t3.40 MB\n' +
        '[2001:db8::1]:5000\t203.0.113.9:443\ttcp\tlte\tweb\tESTABLISHED\t–\t–\t–',
    );
    assert.match(
      await text(`document.querySelector('#live [role=status]')`),
      /^70 connections, of which these are 2/,
    );
    assert.ok(daemon.asked.includes('GET /v1/connections?wan=lte&client=192.168.1.0%2F24'));
    daemon.answers.delete('/v1/connections');
    await ask('', '');
    await browser.until(
      `/no such thing/.test(document.querySelector('#live .wrong').innerText)`,
      'what is wrong',
    );
  });

  it('sets a WAN after a question, by keyboard alone', async () => {
    await browser.evaluate(`${button('Drain', card('fibre'))}.focus()`);
    await browser.press('Enter', '\r');
    await browser.until(`document.querySelector('dialog').open`, 'the question');
    assert.match(await text(`document.querySelector('dialog')`), /fibre keeps the connections that it has/);
    assert.equal(await browser.evaluate(`document.activeElement.textContent.trim()`), 'No');
    await browser.press('Tab');
    await browser.press('Enter', '\r');
    await browser.until(`/fibre: weight 0/.test(document.querySelector('dialog').innerText)`, 'the answer');
    assert.deepEqual(daemon.sent, ['{"wan":"fibre","weight":0}']);
    await browser.evaluate(`${button('Close', `document.querySelector('dialog')`)}.click()`);
  });

  it('fits a phone, whatever it shows, and axe finds nothing serious, in light and dark', async () => {
    daemon.status = everything();
    daemon.events = [];
    await browser.until(`${state('wan-down')} === 'down'`, 'every state');
    for (const [width, height, scheme] of [
      [1100, 900, 'light'],
      [360, 740, 'dark'],
    ] as const) {
      await browser.show(width, height, scheme);
      await browser.until(
        `document.querySelector('#throughput').clientWidth < ${width} && document.querySelectorAll('canvas').length === 2`,
        'the plots have followed',
      );
      await browser.until(
        'document.documentElement.scrollWidth <= document.documentElement.clientWidth',
        `${width} pixels are enough`,
        5000,
      );
      await browser.evaluate(`${AXE}; undefined`);
      const found = await browser.evaluate<{ id: string; impact: string; nodes: string[] }[]>(
        `axe.run().then(({ violations }) => violations.map(({ id, impact, nodes }) =>
          ({ id, impact, nodes: nodes.map(({ html }) => html.slice(0, 200)) })))`,
      );
      const serious = found.filter(({ impact }) => impact === 'serious' || impact === 'critical');
      assert.deepEqual(serious, [], `${width} ${scheme}`);
    }
  });

  it('asks for the token where one is needed, and shows nothing before', async () => {
    const guarded = await start({ token: new Token(WORD), allowSet: false });
    await browser.open(`http://127.0.0.1:${guarded.port}/`);
    await browser.until(`document.querySelector('[name=token]')`, 'the form');
    const give = (token: string) =>
      browser.evaluate(`{ const field = document.querySelector('[name=token]');
        if (field) { field.value = '${token}'; field.form.querySelector('button').click(); } }`);
    await give('wrong');
    await browser.until(`/wrong/.test(document.querySelector('[role=alert]').innerText)`, 'that it is wrong');
    await eventually(
      async () => {
        await give(WORD);
        return browser.evaluate<boolean>(`Boolean(${state('wan-up')})`).catch(() => false);
      },
      Boolean,
      'the cards, when the wait after a wrong token is over',
    );
    assert.equal(await browser.evaluate(`Boolean(${button('Drain')})`), false, 'nothing can be set');
    assert.equal(await browser.evaluate('document.cookie'), '', 'no script has the cookie');
  });

  it('was never kept from anything by its own policy, and never failed', () => {
    const expected = /\/api\/(session|login|connections|stream)/;
    assert.deepEqual(
      browser.complaints.filter((line) => !expected.test(line)),
      [],
    );
  });
});
