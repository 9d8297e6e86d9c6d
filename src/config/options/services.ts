import type { Option } from '../option.js';

/** The field of the backends. */
export const DEFAULT_BACKEND_MASK = '0xff00';

/** Options of the services, their backends and the backends' marks. The rules and the daemon both read them. */
export const SERVICE_OPTIONS = {
  service: {
    type: 'list',
    value: 'NAME,key=value,...',
    describe: 'An address in front of several servers: listen, snat, strategy',
    details: 'An address in front of several servers; repeat it for each. [Its keys](#keys-of-a-service)',
  },
  backend: {
    type: 'list',
    value: 'NAME,key=value,...',
    describe: 'A server of the service NAME: to, weight, mark',
    details: 'A server of the service NAME; repeat it for each. [Its keys](#keys-of-a-backend)',
  },
  'backend-mask': {
    type: 'text',
    value: 'HEX',
    default: DEFAULT_BACKEND_MASK,
    describe: 'The bits of the packet mark that say which backend',
    details:
      'The bits of the packet mark that hold the number of the backend. They must be apart from those of `--mask`, and are kept like them',
  },
  'service-queue': {
    type: 'text',
    value: 'N',
    range: [0, 65_535],
    describe: 'The NFQUEUE number for services (default: the one after the queues of the WANs)',
    details: `The number of the services' NFQUEUE. Without the flag it is the one after the queues of the WANs`,
  },
} as const satisfies Record<string, Option>;
