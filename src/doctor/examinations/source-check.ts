import { examination } from '../examination.js';

export const sourceCheck = examination({
  name: 'source-check',
  asks: 'Whether strict `rp_filter` (1) on a WAN looks the way back up with the mark of the packet (`src_valid_mark`).',
  kinds: {
    blind: {
      level: 'wrong',
      means:
        "The kernel drops what comes in by this WAN, since without the mark the way back leads by the WAN with main's default route.",
      todo: '`wanmark refresh` sets `src_valid_mark`. Where `/proc/sys` cannot be written, set `rp_filter` to 2 or 0.',
    },
  },
  examine: ({ settings, rules }) => {
    // `up` is what sets it.
    if (rules.state === 'not up') return { faults: [] };
    const faults = settings.blind.map((dev) => ({
      kind: 'blind' as const,
      text: `strict rp_filter of ${dev} ignores marks, so answers that come in by it are dropped`,
      todo: `wanmark refresh, or sysctl -w net.ipv4.conf.${dev}.src_valid_mark=1`,
    }));
    return { ok: faults.length === 0 ? 'what comes in by a WAN is not dropped' : undefined, faults };
  },
});
