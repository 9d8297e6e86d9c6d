import { examination } from '../examination.js';

export const time = examination({
  name: 'time',
  asks: 'Whether everything was looked at in time.',
  kinds: {
    late: {
      level: 'warning',
      means: 'Something did not answer in time, and its lines are left out.',
      todo: 'Run it again. If it is late each time, the machine is busy, or another command holds the lock of the firewall.',
    },
  },
  examine: ({ late }) => ({
    faults: late.map((what) => ({
      kind: 'late' as const,
      text: `could not be looked at: ${what}`,
      todo: 'run it again',
    })),
  }),
});
