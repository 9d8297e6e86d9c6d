import { examination, type Found } from '../examination.js';

type Kind = 'per-packet' | 'hardware' | 'uncounted';

export const offload = examination<Kind>({
  name: 'offload',
  asks: 'Whether established connections pass the rules by in a flowtable of nftables, in software or in hardware. They keep the WAN that they have; see [flow offload](coexistence.md#flow-offload-nft-flowtables-openwrts-flow_offloading-hardware-nat).',
  kinds: {
    'per-packet': {
      level: 'wrong',
      means:
        'With `--per packet` each packet is to get a WAN of its own, and those in a flowtable pass no rule.',
      todo: 'Take the rule with `flow add` away, or `--per packet`.',
    },
    hardware: {
      level: 'warning',
      means:
        'The network card forwards by itself (`flags offload`): no counter, no capture and no shaper of this machine sees the packets.',
      todo: 'Nothing, if that is meant. Otherwise leave `flags offload` out.',
    },
    uncounted: {
      level: 'warning',
      means:
        "The flowtable does not count (`counter`), so the bytes of its connections are missing wherever conntrack's are shown.",
      todo: 'Add `counter;` to the flowtable.',
    },
  },
  examine: ({ flowtables, config: { rules, wans } }) => {
    if (flowtables === undefined) return { faults: [] };
    const devices = new Set(wans.map(({ dev }) => dev));
    // nft does not list a device that is not there.
    const those = flowtables.filter(
      (one) => one.devices.length === 0 || one.devices.some((dev) => devices.has(dev)),
    );
    const faults = those.flatMap(({ name, isHardware, counts }): Found<Kind>[] => {
      if (rules.per === 'packet') {
        const text = `flowtable ${name} takes packets past the rules, so --per packet does not hold for them`;
        return [{ kind: 'per-packet', text, todo: 'take the rule with "flow add" away, or --per packet' }];
      }
      if (isHardware) {
        const text = `flowtable ${name} is in hardware: nothing here sees the packets of its connections`;
        return [{ kind: 'hardware', text, todo: 'if that is not meant, leave "flags offload" out' }];
      }
      if (counts) return [];
      const text = `flowtable ${name} does not count, so the bytes of its connections are missing`;
      return [{ kind: 'uncounted', text, todo: 'add "counter;" to the flowtable' }];
    });
    const said = those.length === 0 ? 'no flowtable' : those.map(({ name }) => `${name}, counted`).join(', ');
    return { ok: faults.length > 0 ? undefined : said, faults };
  },
});
