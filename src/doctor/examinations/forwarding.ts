import { carriedFamilies } from '../../config/served.js';
import { FAMILIES } from '../../core/family.js';
import { examination } from '../examination.js';

const SETTINGS = { 4: 'net.ipv4.ip_forward', 6: 'net.ipv6.conf.all.forwarding' } as const;

export const forwarding = examination({
  name: 'forwarding',
  asks: 'Whether the kernel forwards packets, in each family that a WAN or a service has, and between all devices.',
  kinds: {
    off: {
      level: 'wrong',
      means:
        'Nothing is forwarded, so no client reaches the Internet. On a host without a LAN this is no fault, and not named.',
      todo: '`sysctl -w net.ipv4.ip_forward=1` (`net.ipv6.conf.all.forwarding=1`), and the same in `/etc/sysctl.d`.',
    },
    device: {
      level: 'wrong',
      means:
        'The IPv4 packets that come in by this device alone are not forwarded; for a WAN these are the answers to clients.',
      todo: '`sysctl -w net.ipv4.conf.DEV.forwarding=1`.',
    },
  },
  examine: ({ config, settings, nat }) => {
    const families = carriedFamilies(config);
    const hasLan = nat === undefined || FAMILIES.some((family) => nat.lan[family].length > 0);
    const off = families.filter((family) => settings.forwards[family] === false);
    if (off.length > 0 && !hasLan) return { ok: 'not needed, since there is no LAN', faults: [] };
    const faults = [
      ...off.map((family) => ({
        kind: 'off' as const,
        text: `${SETTINGS[family]} is 0, so nothing is forwarded`,
        todo: `sysctl -w ${SETTINGS[family]}=1`,
      })),
      ...(families.includes(4) ? settings.closed : []).map((dev) => ({
        kind: 'device' as const,
        text: `IPv4: what comes in by ${dev} is not forwarded`,
        todo: `sysctl -w net.ipv4.conf.${dev}.forwarding=1`,
      })),
    ];
    const ok = families.map((family) => `IPv${family}`).join(', ');
    return { ok: faults.length === 0 ? `on for ${ok}` : undefined, faults };
  },
});
