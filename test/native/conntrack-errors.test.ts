import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { describe, it } from 'node:test';
import { describeConntrackError } from '#wanmark/conntrack/errors.js';
import type { NativeConntrackError } from '#wanmark/conntrack/native.js';

const { EPERM, EINVAL, EPROTONOSUPPORT, ENOMEM } = constants.errno;

describe('the error for a refusal of conntrack', () => {
  const cases: [string, NativeConntrackError['step'], number, string, RegExp][] = [
    ['not privileged', 'privilege', EPERM, 'CONNTRACK_NOT_PRIVILEGED', /needs CAP_NET_ADMIN: /],
    ['privilege lost', 'request', EPERM, 'CONNTRACK_NOT_PRIVILEGED', /needs CAP_NET_ADMIN: /],
    ['no subsystem', 'support', EINVAL, 'CONNTRACK_NO_KERNEL_SUPPORT', /"modprobe nf_conntrack_netlink"/],
    ['no protocol', 'socket', EPROTONOSUPPORT, 'CONNTRACK_NO_KERNEL_SUPPORT', /CONFIG_NF_CT_NETLINK/],
    [
      'no memory',
      'request',
      ENOMEM,
      'CONNTRACK_SYSTEM',
      /^conntrack: flush: request: ENOMEM: not enough memory$/,
    ],
    ['no name', 'events', 9999, 'CONNTRACK_SYSTEM', /^conntrack: flush: events: error 9999$/],
  ];
  for (const [name, step, errno, code, message] of cases) {
    it(name, () => {
      const native = Object.assign(new Error('native'), { step, errno });
      const error = describeConntrackError('flush', native);
      assert.equal(error.code, code);
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /\n/);
      assert.equal(error.cause, native);
      assert.equal(error.exitCode, 1);
    });
  }
});
