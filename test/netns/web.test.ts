/** The page in a real Chromium, and the metrics in a real Prometheus, on a router whose WAN dies and comes back. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Lab } from '#wanmark/lab/lab.js';
import { SERVER } from '#wanmark/lab/network.js';
import type { Program } from '#wanmark/lab/program.js';
import { type Daemon, Wanmark } from '#wanmark/lab/wanmark.js';
import { packagedArgv } from '../helpers/beside.js';
import { askBoard } from '../helpers/board.js';
import { Chromium } from '../helpers/chromium.js';
import { MAIN } from '../helpers/main.js';
import { Prometheus } from '../helpers/prometheus.js';
import { addon, needs, nfqueue, packages, root } from '../helpers/requires.js';
import { eventually } from '../helpers/router-state.js';

const ALERTS = new URL('../../docs/prometheus/alerts.yml', import.meta.url).pathname;
const BOARD = new URL('../../docs/prometheus/grafana.json', import.meta.url);
/** What is shown within two seconds of when the daemon says it: asking it takes one, and events are told at once. */
const NOTICED_MS = 2000;

const card = (wan: string) => `document.querySelector('[data-wan=${wan}]')`;
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

  it('lists the live connections of a WAN', async () => {
    await lab.connect({ count: 20, hold: true });
    await browser.evaluate(`{ const form = document.querySelector('#live form');
      form.wan.value = 'wan1'; form.client.value = '${lab.client.addresses[4][0]}'; form.querySelector('button').click(); }`);
    await browser.until(`document.querySelectorAll('#live tbody tr').length > 0`, 'the connections');
    assert.match(
      await text(`document.querySelector('#live tbody tr')`),
      new RegExp(`${SERVER[4]}:7\\ttcp\\twan1`),
    );
  });

  it('explains a connection as the command line does', async () => {
    const [client] = lab.client.addresses[4];
    await browser.evaluate(`{ const form = document.querySelector('#asked form');
      form.src.value = '${client}'; form.dst.value = '${SERVER[4]}:443'; }`);
    await browser.evaluate(`document.querySelector('#asked button').click()`);
    const said = `(document.querySelector('#asked pre').innerText + document.querySelector('#asked .wrong').innerText)`;
    await browser.until(said, 'an answer');
    assert.match(await browser.evaluate<string>(said), /^goes +50 % by wan1/m);
  });

  it('has metrics that Prometheus takes, from which each panel of the board has data, and the alerts go by them', async () => {
    const prometheus = new Prometheus(lab.router, '127.0.0.1:8080', ALERTS);
    await prometheus.ready();
    const [scraped, weight] = await prometheus.query('up{job="wanmark"}', 'wanmark_wan_weight{wan="wan1"}');
    for (const series of [scraped!, weight!])
      assert.deepEqual(
        series.map(({ value }) => value[1]),
        ['1'],
      );

    const asked = await askBoard(BOARD, prometheus);
    assert.ok(asked.length >= 8);
    const empty = asked.filter(({ series }) => series.length === 0);
    assert.deepEqual(
      empty.map(({ panel, expression }) => `${panel}: ${expression}`),
      [],
    );
    for (const { panel, labels, series } of asked)
      for (const { metric } of series)
        assert.deepEqual(
          labels.filter((label) => metric[label] === undefined),
          [],
          `the legend of ${panel}`,
        );
    const lines = (panel: string) =>
      asked.filter((one) => one.panel === panel).flatMap(({ series }) => series);
    assert.deepEqual(
      lines('State of the WANs')
        .map(({ metric, value }) => `${metric.wan} ${metric.family} ${value[1]}`)
        .sort(),
      ['wan1 ipv4 2', 'wan2 ipv4 2'],
    );

    const rules = await eventually(
      () => prometheus.rules(),
      (all) => all.every(({ health }) => health !== 'unknown'),
      'each alert was looked at',
    );
    assert.deepEqual(
      rules.filter(({ health }) => health !== 'ok'),
      [],
    );
    await lab.router.sh('ip link set wan2 down');
    await eventually(
      () => prometheus.rules(),
      (all) => all.some(({ name, alerts }) => name === 'WanmarkWanDown' && alerts[0]?.labels.wan === 'wan2'),
      'the alert of a WAN that is down',
    );
    await lab.router.sh('ip link set wan2 up');
    await prometheus.stop();
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
