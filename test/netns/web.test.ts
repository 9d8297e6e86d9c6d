/** The page in a real Chromium, and the metrics in a real Prometheus, on a router whose WAN dies and comes back. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, describe, it } from 'node:test';
import { Lab } from '#wanmark/lab/lab.js';
import { SERVER } from '#wanmark/lab/network.js';
import type { Program } from '#wanmark/lab/program.js';
import { type Daemon, Wanmark } from '#wanmark/lab/wanmark.js';
import { packaged, packagedArgv } from '../helpers/beside.js';
import { Chromium } from '../helpers/chromium.js';
import { addon, needs, nfqueue, packages, root } from '../helpers/requires.js';
import { eventually } from '../helpers/router-state.js';

const MAIN = new URL('../../dist/cli/main.js', import.meta.url).pathname;
const ALERTS = new URL('../../docs/prometheus/alerts.yml', import.meta.url).pathname;
const BOARD = new URL('../../docs/prometheus/grafana.json', import.meta.url);
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** What is shown within two seconds of when the daemon says it: asking it takes one, and events are told at once. */
const NOTICED_MS = 2000;

const card = (wan: string) => `document.querySelector('[data-wan=${wan}]')`;
const button = (text: string, within = 'document') =>
  `[...${within}.querySelectorAll('button')].find((one) => one.textContent.trim().startsWith('${text}'))`;
const state = (wan: string) => `${card(wan)}?.dataset.state`;

/** Notes in the page when each state of a WAN is shown, in milliseconds since 1970. */
const NOTE_STATES = (wan: string) => `
  window.seen = {};
  new MutationObserver(() => { window.seen[${state(wan)}] ??= Date.now(); })
    .observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });`;

describe('the page', needs(nfqueue, addon, root, packages), () => {
  let lab: Lab;
  let wanmark: Wanmark;
  let daemon: Daemon;
  let web: Program;
  let browser: Chromium;
  before(async () => {
    lab = await Lab.start({ wans: 2, ipv6: false });
    wanmark = new Wanmark(lab);
    await wanmark.up();
    daemon = await wanmark.run('--check', `all=ping,to=${SERVER[4]},interval=0.5`);
    web = lab.router.spawn([process.execPath, MAIN, 'web', '--allow-set']);
    [browser] = await Promise.all([
      Chromium.start((argv) => lab.router.command(packagedArgv(lab.router, argv))),
      web.waitForLine(/^http:/),
    ]);
    await browser.show(1100, 900);
    await browser.open('http://127.0.0.1:8080/');
    await browser.until(`${state('wan2')} === 'up'`, 'the cards');
  });
  after(async () => {
    await browser?.stop();
    await lab?.stop();
  });
  const text = (of: string) => browser.evaluate<string>(`${of}.innerText`);

  it('has a card for each WAN, and shows within two seconds that one dies, and that it is back', async () => {
    assert.match(
      await text(card('wan1')),
      /^wan1\s+● up, active\s+for .*\s+Round trip\s+[\d.]+ ms\s+Loss in a minute\s+0 %/,
    );
    await browser.evaluate(NOTE_STATES('wan2'));
    for (const [command, to] of [
      ['down', 'down'],
      ['up', 'up'],
    ] as const) {
      await lab.router.sh(`ip link set wan2 ${command}`);
      await browser.until(`window.seen.${to}`, `wan2 ${to}`);
      const [shown, since] = await browser.evaluate<[number, string]>(
        `[window.seen.${to}, ${card('wan2')}.querySelector('p').title]`,
      );
      assert.match(since, /^since /);
      const { stdout } = await wanmark.command(['events', '--json']);
      const events = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      const event = events.findLast((one) => one.kind === 'state' && one.target === 'wan2');
      assert.equal(event.state, to);
      const ms = shown - Date.parse(event.at);
      assert.ok(ms <= NOTICED_MS, `shown ${ms} ms after it`);
      await browser.evaluate('window.seen = {}');
    }
    await browser.until(
      `/wan2 IPv4 up after/.test(document.querySelector('.events').innerText)`,
      'what happened is among the events',
    );
  });

  it('has a line for each WAN in its plots', async () => {
    await lab.connect({ count: 20, hold: true });
    const DRAWN = (id: string) => `[...document.querySelectorAll('#${id} .u-legend .u-series')].slice(1)
      .map((row) => row.innerText.replace(/\\s+/g, ' '))`;
    const isKnown = (lines: readonly string[]) => lines.length > 0 && lines.every((line) => /\d/.test(line));
    const throughput = await eventually(
      () => browser.evaluate<string[]>(DRAWN('throughput')),
      isKnown,
      'the throughput of each WAN',
    );
    assert.deepEqual(
      throughput.map((line) => line.replace(/: [\d.]+ (k|M|G)?bit\/s$/, '')),
      ['wan1 in', 'wan1 out', 'wan2 in', 'wan2 out'],
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
    assert.equal(await browser.evaluate(COLOURED), true, 'a line is drawn');
  });

  it('lists live connections by WAN and client, and says in a line what it does not understand', async () => {
    const fill = (name: string, value: string) =>
      browser.evaluate(`{ const field = document.querySelector('#live [name=${name}]');
        field.value = ${JSON.stringify(value)}; }`);
    await fill('wan', 'wan1');
    await browser.evaluate(`${button('List')}.click()`);
    await browser.until(`document.querySelectorAll('#live tbody tr').length >= 10`, 'the connections');
    assert.match(
      await text(`document.querySelector('#live tbody tr')`),
      new RegExp(`${SERVER[4]}:7\\ttcp\\twan1`),
    );
    await fill('client', '192.0.2.99');
    await browser.evaluate(`${button('List')}.click()`);
    await browser.until(
      `/^0 connections/.test(document.querySelector('#live [role=status]').innerText)`,
      'none',
    );
    await fill('client', 'rubbish');
    await browser.evaluate(`${button('List')}.click()`);
    await browser.until(`/rubbish/.test(document.querySelector('#live .wrong').innerText)`, 'what is wrong');
  });

  it('explains a connection as the command line does', async () => {
    const [client] = lab.client.addresses[4];
    await browser.evaluate(`{ const form = document.querySelector('#asked form');
      form.src.value = '${client}'; form.dst.value = '${SERVER[4]}:443'; }`);
    await browser.evaluate(`${button('Explain')}.click()`);
    await browser.until(
      `/goes +50 % by wan1/.test(document.querySelector('#asked pre').innerText)`,
      'the answer',
    );
  });

  it('sets a WAN after a question, by keyboard alone', async () => {
    await browser.evaluate(`${button('Drain', card('wan1'))}.focus()`);
    await browser.press('Enter', '\r');
    await browser.until(`document.querySelector('dialog').open`, 'the question');
    assert.match(await text(`document.querySelector('dialog')`), /wan1 keeps the connections that it has/);
    assert.equal(await browser.evaluate(`document.activeElement.textContent.trim()`), 'No');
    await browser.press('Tab');
    await browser.press('Enter', '\r');
    await browser.until(`${state('wan1')} === 'drain'`, 'wan1 drains');
    await browser.evaluate(`${button('Close', `document.querySelector('dialog')`)}.click()`);
  });

  it('fits a phone, and axe finds nothing serious, in light and dark', async () => {
    for (const [width, height, scheme] of [
      [1100, 900, 'light'],
      [360, 740, 'light'],
      [360, 740, 'dark'],
    ] as const) {
      await browser.show(width, height, scheme);
      await browser.until(
        `document.querySelector('#throughput').clientWidth < ${width}`,
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

  it('has metrics that Prometheus takes, and the queries of the board and the alerts with them', async () => {
    await packaged(
      lab.router,
      `mkdir -p /run/prometheus && cd /run/prometheus
cat >conf.yml <<end
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [${ALERTS}]
scrape_configs: [{ job_name: wanmark, static_configs: [{ targets: ['127.0.0.1:8080'] }] }]
end
prometheus --config.file=conf.yml --storage.tsdb.path=data --web.listen-address=127.0.0.1:9090 >log 2>&1 &`,
    );
    const query = async (expression: string) => {
      const url = `http://127.0.0.1:9090/api/v1/query?query=${encodeURIComponent(expression)}`;
      const FETCH = 'fetch(process.argv[1]).then((a) => a.text()).then(console.log)';
      const { stdout } = await lab.router.exec([process.execPath, '-e', FETCH, url], { okCodes: 'any' });
      return stdout === '' ? undefined : JSON.parse(stdout);
    };
    const weight = await eventually(
      () => query('wanmark_wan_weight{wan="wan1"}'),
      (answer) => answer?.data?.result.length === 1,
      'the first scrape',
    );
    assert.equal(weight.data.result[0].value[1], '0', 'what the test before has set');
    assert.deepEqual(
      (await query('up{job="wanmark"}')).data.result.map((one: { value: string[] }) => one.value[1]),
      ['1'],
    );
    const { panels } = JSON.parse(readFileSync(BOARD, 'utf8')) as {
      panels: { targets?: { expr: string }[] }[];
    };
    const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
    assert.ok(expressions.length >= 8);
    for (const expression of expressions) {
      const answer = await query(
        expression.replaceAll('$__rate_interval', '1m').replaceAll(/\$(wan|instance)/g, '.*'),
      );
      assert.equal(answer.status, 'success', `${expression}: ${answer.error}`);
    }
    await packaged(lab.router, 'kill $(pidof prometheus)');
  });

  it('says that the daemon is gone, and goes on with the next; nothing on it was ever forbidden or failed', async () => {
    await daemon.crash();
    await browser.until(`document.querySelector('[role=alert].away')`, 'that no daemon answers');
    await wanmark.run();
    await browser.until(`${state('wan1')} === 'up'`, 'the next daemon');
    assert.deepEqual(browser.complaints, []);
    assert.equal(web.stderr, '');
  });
});
