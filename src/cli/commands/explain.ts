import type { CommandModule } from 'yargs';
import { type Config, parseConfig } from '../../config/config.js';
import { POLICY_OPTIONS } from '../../config/options/policies.js';
import { RULE_OPTIONS } from '../../config/options/rules.js';
import { DEFAULT_SOCKET } from '../../config/options/run.js';
import { SERVICE_OPTIONS } from '../../config/options/services.js';
import { WAN_OPTIONS } from '../../config/options/wans.js';
import { type RawConfig, ruleOptions } from '../../config/options.js';
import { refusesFamily } from '../../config/policies.js';
import { askDaemon } from '../../control/daemon-client.js';
import type { Status } from '../../control/status.js';
import { printableJson } from '../../core/printable.js';
import { carries } from '../../core/wan.js';
import { SystemError, UsageError } from '../../errors.js';
import { explain, type Situation } from '../../plan/explain/explain.js';
import { fittingStates } from '../../plan/kernel-choice.js';
import { initialStates } from '../../plan/states.js';
import { unpreparedFirewall } from '../../system/backend.js';
import {
  type Installed,
  installedConfig,
  readInstalled,
  rulesAreUp,
  withInstalledFields,
} from '../../system/installed.js';
import { lookAround } from '../../system/look-around.js';
import { connectionsBetween } from '../../system/rtnetlink/connections.js';
import { KERNEL } from '../../system/rtnetlink/kernel.js';
import { type ConnectionShown, matchingConnections } from '../explain-connections.js';
import { type PacketArguments, parsePacket, placePacket } from '../explain-packet.js';
import { daemonSituation } from '../explain-situation.js';
import { explanationText } from '../explain-text.js';
import { addOptions, madeOfOptions, valued } from '../options.js';
import { complain, say } from '../say.js';

/** The command `explain`: why a connection goes where it goes. It changes nothing. */
export const explainCommand: CommandModule<object, PacketArguments & { readonly json: boolean | undefined }> =
  {
    command: 'explain <src> <dst>',
    describe: 'Say where a connection goes, and why',
    builder: (yargs, help?: boolean) =>
      addOptions(yargs, RELEVANT, help, ['own'])
        .positional('src', {
          type: 'string',
          demandOption: true,
          describe:
            'Address of the client, with its port if that matters; router: this router itself [ADDRESS:PORT|router]',
        })
        .positional('dst', {
          type: 'string',
          demandOption: true,
          describe: 'Address of the server, with its port: 192.0.2.1:443, [2001:db8::1]:443 [ADDRESS:PORT]',
        })
        .option(
          'proto',
          valued('NAME', { describe: 'Protocol by name or number', defaultDescription: 'tcp' }),
        )
        .option('in', valued('DEV', { describe: 'Device that it comes in by; by default where SRC is' }))
        .option('own', {
          type: 'boolean',
          describe: "The router's own connection; SRC is one of its addresses",
        })
        .option(
          'mac',
          valued('MAC', { describe: 'MAC address of the sender; by default what is known of SRC' }),
        )
        .option('mark', valued('HEX', { describe: 'Mark that somebody else gave it before' }))
        .option('uid', valued('N', { describe: "User id of the router's own program" }))
        .option('dscp', valued('N', { describe: 'DSCP, 0 to 63' }))
        .option('json', { type: 'boolean', describe: 'One JSON object' }),
    handler: async ({ json, ...argv }) => {
      const given = parsePacket(argv);
      const { raw, config, installed } = await madeOfOptions({ ...argv, own: undefined }, configuration);
      const programs = installed?.firewall ?? unpreparedFirewall(config);
      const [around, status] = await Promise.all([lookAround(config, programs), statusOf(raw)]);
      const packet = placePacket(given, around, macOf);
      const isCarried = config.wans.some((wan) => carries(wan, packet.family));
      if (!isCarried && !refusesFamily(config.policies, packet.family))
        throw new UsageError(
          `no WAN carries IPv${packet.family}, so wanmark leaves it alone; see 'ip route get'`,
        );
      const situation = situationOf(config, status, installed);
      const explanation = explain(config, packet, around, situation);
      const connections = connectionsOf({ ...packet, src: explanation.packet.src }, config);
      const isUp = rulesAreUp();
      const whole = { ...explanation, up: isUp, daemon: status !== undefined, connections };
      say(json ? `${printableJson(JSON.stringify(whole))}\n` : explanationText(whole));
    },
  };

const RELEVANT = { ...WAN_OPTIONS, ...POLICY_OPTIONS, ...SERVICE_OPTIONS, ...RULE_OPTIONS };

/** The configuration of the command line, or of the last `up`. @throws UsageError, SystemError */
function configuration(raw: RawConfig): { raw: RawConfig; config: Config; installed: Installed | undefined } {
  const installed = readInstalled();
  if (Object.keys(ruleOptions(raw)).length > 0) {
    const config = parseConfig(withInstalledFields(raw), installed?.numbers);
    if (config.marks.length > 0)
      throw new UsageError('high-mark is for rules of your own; explain needs --wan');
    return { raw, config, installed };
  }
  if (installed !== undefined) return { raw, config: installedConfig(installed), installed };
  throw rulesAreUp()
    ? new SystemError('OTHER_VERSION', "the rules are another version's; run 'wanmark up' again")
    : new SystemError(
        'NOT_UP',
        "is not up; run 'wanmark up' first, or give the configuration (--config FILE)",
      );
}

/** The running daemon's status; undefined where none answers. */
async function statusOf(raw: RawConfig): Promise<Status | undefined> {
  const socket = typeof raw.socket === 'string' ? raw.socket : DEFAULT_SOCKET;
  try {
    return (await askDaemon<Status>(socket, '/status?connections=no')).answer;
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}

function situationOf(
  config: Config,
  status: Status | undefined,
  installed: Installed | undefined,
): Situation {
  if (status !== undefined) return daemonSituation(config, status);
  const states = fittingStates(config, installed?.states ?? initialStates(config.wans));
  return { states, reasons: new Map(), strategy: undefined };
}

function connectionsOf(
  packet: Parameters<typeof matchingConnections>[1] & { family: 4 | 6; src: string; dst: string },
  config: Config,
): ConnectionShown[] | null {
  try {
    return matchingConnections(connectionsBetween(packet.family, packet.src, packet.dst), packet, config);
  } catch (error) {
    if (!(error instanceof Error && 'errno' in error)) throw error;
    complain(`the kernel does not show its connections (${error.message})`);
    return null;
  }
}

/** The MAC address of a neighbour, where the kernel has it. */
function macOf(device: string, address: string): string | undefined {
  const index = KERNEL.links().find(({ name }) => name === device)?.index;
  const found = KERNEL.neighbours(address.includes(':') ? 6 : 4).find(
    (one) => one.index === index && one.address === address,
  );
  return found?.mac;
}
