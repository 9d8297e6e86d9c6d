import { examination } from '../examination.js';

export const uplinks = examination({
  name: 'uplinks',
  asks: 'Whether each WAN has its device, with carrier and an address, and a way to its gateway.',
  kinds: {
    down: {
      level: 'wrong',
      means:
        'Nothing can leave by this WAN in this family: its device is gone, off or without carrier, has no address, or the gateway is not on its network.',
      todo: 'Look at the cable and at what configures the device (`ip addr show dev DEV`); correct `dev` or `via` where they are wrong.',
    },
  },
  examine: ({ ways }) => {
    const faults = ways
      .filter(({ up }) => !up)
      .map(({ wan, family, dev, reason }) => ({
        kind: 'down' as const,
        text: `${wan}, IPv${family}: ${reason}`,
        todo: `look at 'ip -${family} addr show dev ${dev}', and at dev and via of ${wan}`,
      }));
    const well = [...new Set(ways.filter(({ up }) => up).map(({ wan, dev }) => `${wan} (${dev})`))];
    return { ok: well.length > 0 ? well.join(', ') : undefined, faults };
  },
});
