/** What tunnels that are WANs send themselves goes by the main table. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import { buildPlan } from '#wanmark/plan/build.js';
import type { Device, Facts } from '#wanmark/plan/facts.js';
import { planLists } from '#wanmark/plan/render/lists.js';
import { NO_STATES } from '#wanmark/plan/states.js';
import { ROUTER } from './router.js';

const tunnel = (kind: string, remote?: string): Device => ({
  ...{ index: 9, up: true, pointToPoint: true, ethernet: false },
  tunnel: { kind, ...(remote === undefined ? {} : { remote }) },
});

/** The rules for far ends, by family, and what a person is told of tunnels. */
function plan(devices: Readonly<Record<string, Device>>, more: Partial<Facts> = {}, raw: object = {}) {
  const wan = [...Object.keys(devices).map((name) => `${name},dev=${name}`), 'six,dev=eth1,via6=fe80::1'];
  const facts = { ...ROUTER, devices: new Map([...ROUTER.devices, ...Object.entries(devices)]), ...more };
  const built = buildPlan(parseConfig({ wan, ...raw }), facts, NO_STATES);
  const lists = planLists(built);
  const of = (family: 4 | 6) =>
    lists.get(`${family}.mangle`)!.filter((line) => /-p 17 -d .* -g WANMARK_CLEAR/.test(line));
  return { 4: of(4), 6: of(6), lists, notes: built.notes.filter((note) => note.includes('is a tunnel')) };
}

const toMain = (end: string) => `-A WANMARK_OUT -p 17 -d ${end} -g WANMARK_CLEAR`;

describe('the far ends of tunnels', () => {
  it('are left to main, in the family that the tunnel itself uses, whatever it carries', () => {
    const devices = { vx0: tunnel('vxlan', '203.0.113.9'), wg0: tunnel('wireguard') };
    const endpoints = new Map([['wg0', ['2001:db8:99::9', '203.0.113.9']]]);
    const { notes, lists, ...rules } = plan(devices, { endpoints });
    assert.deepEqual(rules, { 4: [toMain('203.0.113.9')], 6: [toMain('2001:db8:99::9')] });
    assert.deepEqual(notes, []);
    assert.deepEqual(
      [4, 6].map((family) => lists.get(`rules${family}`)!.filter((line) => line.includes(' to '))),
      ['203.0.113.9', '2001:db8:99::9'].map((end) => [
        `priority 20000 to ${end} iif lo ipproto 17 lookup main`,
      ]),
    );
  });

  it('are named where they are not known, unless no WAN can be chosen for them', () => {
    const devices = { wg0: tunnel('wireguard'), tun0: tunnel('tun'), gre1: tunnel('gre') };
    const told = (names: readonly string[]) =>
      names.map((name) => new RegExp(`^warning: WAN ${name}: .* not known`));
    const { notes } = plan(devices, { main: { 4: [], 6: [] } });
    assert.equal(notes.length, 2);
    told(['wg0', 'tun0']).forEach((text, i) => void assert.match(notes[i]!, text));
    assert.equal(plan(devices).notes.length, 1, 'OpenVPN has a route to its far end');
    assert.deepEqual(plan(devices, {}, { own: 'off' }).notes, []);
  });

  it('are named where main itself leads them into the tunnel', () => {
    const main = {
      ...ROUTER.main,
      4: [
        {
          dst: 'default',
          isThrow: false,
          metric: 0,
          ways: [{ dev: 'vx0', via: undefined, unusable: false }],
        },
      ],
    };
    const { notes } = plan({ vx0: tunnel('vxlan', '203.0.113.9') }, { main });
    assert.match(
      notes.join(),
      /WAN vx0: vx0 is a tunnel \(vxlan\) that main's IPv4 default route leads into/,
    );
  });
});
