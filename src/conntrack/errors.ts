import { getSystemErrorMap } from 'node:util';
import { SystemError } from '../errors.js';
import type { NativeConntrackError } from './native.js';

/** What went wrong with conntrack. */
export type ConntrackErrorCode =
  /** CAP_NET_ADMIN is missing. */
  | 'CONNTRACK_NOT_PRIVILEGED'
  /** nf_conntrack_netlink is not in this kernel. */
  | 'CONNTRACK_NO_KERNEL_SUPPORT'
  /** Any other error of the operating system; it is in the message. */
  | 'CONNTRACK_SYSTEM';

/** An error of conntrack. The message is one line: what is wrong, and what to do about it. */
export class ConntrackError extends SystemError {
  declare readonly code: ConntrackErrorCode;

  constructor(code: ConntrackErrorCode, message: string, options?: ErrorOptions) {
    super(code, message, options);
  }
}

const NEEDS_CAPABILITY =
  'conntrack needs CAP_NET_ADMIN: run as root or with that capability (systemd: AmbientCapabilities=CAP_NET_ADMIN)';
const NO_CTNETLINK =
  'this kernel shows no connections: run "modprobe nf_conntrack_netlink", or use a kernel with CONFIG_NF_CT_NETLINK';

/** Says what a failed open or request means. @param doing what was asked for, as in `flush of 0x1/0xff` */
export function describeConntrackError(doing: string, error: NativeConntrackError): ConntrackError {
  const options = { cause: error };
  const [name, text] = getSystemErrorMap().get(-error.errno) ?? [`error ${error.errno}`, ''];
  if (name === 'EPERM') return new ConntrackError('CONNTRACK_NOT_PRIVILEGED', NEEDS_CAPABILITY, options);
  // nfnetlink answers EINVAL for a subsystem that is not registered (nfnetlink_rcv_msg).
  const unsupported = error.step === 'support' || name === 'EPROTONOSUPPORT' || name === 'EAFNOSUPPORT';
  if (unsupported) return new ConntrackError('CONNTRACK_NO_KERNEL_SUPPORT', NO_CTNETLINK, options);
  const message = `conntrack: ${doing}: ${error.step}: ${name}${text && `: ${text}`}`;
  return new ConntrackError('CONNTRACK_SYSTEM', message, options);
}
