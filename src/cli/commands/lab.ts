import { constants } from 'node:os';
import { resolve } from 'node:path';
import type { CommandModule } from 'yargs';
import { parseEngine } from '../../config/engine.js';
import { parseInteger } from '../../config/number.js';
import { RUN_OPTIONS } from '../../config/options/run.js';
import { isStrategyFile, loadStrategy } from '../../config/strategy.js';
import { UsageError } from '../../errors.js';
import { bringUp, type ExperimentOptions, experiment, MAX_CONNECTIONS } from '../../lab/experiment.js';
import { Lab } from '../../lab/lab.js';
import { MAX_WANS, type NetworkOptions } from '../../lab/network.js';
import { planNetwork } from '../../lab/plan.js';
import { POLICY_NETWORK, POLICY_ROUND, policyExperiment } from '../../lab/policies.js';
import { renderPolicyReport } from '../../lab/policy-table.js';
import { tellProgress } from '../../lab/progress.js';
import { renderReport } from '../../lab/table.js';
import { describeHosts, interactiveShell } from '../../lab/terminal.js';
import { Wanmark } from '../../lab/wanmark.js';
import { checkStrategyFile } from '../../system/executable.js';
import { valued } from '../options.js';

/** The number of connections of each kind by default; rounded up to whole rounds of the weights. */
const CONNECTIONS = 90;
/** Several client addresses, so that source-hash has something to spread. */
const CLIENT_ADDRESSES = 12;

interface LabArguments {
  readonly strategy?: string;
  readonly engine?: string;
  readonly 'kernel-mode'?: string;
  readonly weights?: string;
  readonly wans?: string;
  readonly connections?: string;
  readonly 'shared-port'?: boolean;
  readonly policies?: boolean;
  readonly json?: boolean;
  readonly shell?: boolean;
  readonly exec?: string;
}

/** The command `lab`: wanmark on a router of namespaces with real connections, and a report of where they went. */
export const labCommand: CommandModule = {
  command: 'lab',
  describe: 'Try it on a network of namespaces: real connections, and who went where',
  builder: (yargs) =>
    yargs
      .option(
        'strategy',
        valued('NAME|FILE', {
          describe: 'As of run',
          defaultDescription: RUN_OPTIONS.strategy.default,
        }),
      )
      .option(
        'engine',
        valued('nfqueue|kernel', {
          describe: 'As of up; kernel: no daemon',
          defaultDescription: 'nfqueue',
        }),
      )
      .option(
        'kernel-mode',
        valued('random|nth', {
          describe: 'As of up, with --engine kernel',
          defaultDescription: 'random',
        }),
      )
      .option('weights', valued('A,B,...', { describe: 'Weight of each WAN, as 5,3,1' }))
      .option(
        'wans',
        valued('N', {
          describe: `How many WANs, 1 to ${MAX_WANS}`,
          defaultDescription: '3, or as many as weights',
        }),
      )
      .option(
        'connections',
        valued('N', {
          describe: "Connections of each kind: TCP and UDP, IPv4 and IPv6, a client's and the router's own",
          defaultDescription: `${CONNECTIONS}, rounded up to whole rounds`,
        }),
      )
      .option('shared-port', {
        type: 'boolean',
        describe: 'All gateways behind one device of the router; they do the NAT',
      })
      .option('policies', {
        type: 'boolean',
        describe: 'Rules and policies instead: with the daemon, without it, and with a WAN down',
      })
      .option(
        'exec',
        valued('COMMAND', {
          describe: 'Shell commands for the router before the connections, such as rules of your own',
        }),
      )
      .option('json', { type: 'boolean', describe: 'The report as one JSON object on standard output' })
      .option('shell', { type: 'boolean', describe: 'Leave it up, and print how to enter each host' }),
  handler: async (argv) => {
    const given = argv as LabArguments;
    if (given.policies) {
      const count = readPolicyCount(given);
      await untilInterrupted(POLICY_NETWORK, (lab) => tryPolicies(lab, count, given));
      return;
    }
    const options = await readOptions(given);
    await untilInterrupted(options.network, (lab) => use(lab, options, given));
  },
};

/** What `--policies` cannot be used with, since it brings its own. */
const OTHER_WAYS = [
  'strategy',
  'engine',
  'kernel-mode',
  'weights',
  'wans',
  'shared-port',
  'exec',
  'shell',
] as const;

function readPolicyCount(argv: LabArguments): number {
  const other = OTHER_WAYS.find((name) => argv[name] !== undefined);
  if (other !== undefined)
    throw new UsageError(`lab --policies has WANs and a strategy of its own; leave --${other} out`);
  if (argv.connections === undefined) return 2 * POLICY_ROUND;
  const asked = parseInteger('connections', argv.connections, 1, 1000);
  return Math.ceil(asked / POLICY_ROUND) * POLICY_ROUND;
}

async function tryPolicies(lab: Lab, count: number, { json }: LabArguments): Promise<void> {
  const progress = tellProgress();
  const report = await policyExperiment(lab, count, progress).finally(() => progress.end());
  process.stdout.write(json ? `${JSON.stringify(report)}\n` : renderPolicyReport(report));
  if (!report.agree) process.exitCode = 1;
}

async function readOptions(argv: LabArguments): Promise<ExperimentOptions> {
  const weights = argv.weights?.split(',').map((text) => parseInteger('weight', text.trim(), 0, 65535));
  if (weights?.every((weight) => weight === 0)) {
    throw new UsageError('every weight is 0, so no WAN takes connections; give one a weight of 1 or more');
  }
  const wans = argv.wans === undefined ? undefined : parseInteger('wans', argv.wans, 1, MAX_WANS);
  const kernelMode = readKernelMode(argv);
  const strategy = strategyName(argv.strategy ?? RUN_OPTIONS.strategy.default);
  checkStrategyFile(strategy);
  const { name } = await loadStrategy(strategy, {
    random: Math.random,
    now: () => performance.now(),
    connections: () => 0,
  });
  const count = wans ?? weights?.length ?? 3;
  const network = {
    wans: count,
    ...(weights ? { weights } : {}),
    // Failover needs tiers; every other strategy would use only the first one.
    ...(name === 'failover' ? { tiers: Array.from({ length: count }, (_, i) => i + 1) } : {}),
    sharedPort: argv['shared-port'] === true,
    clientAddresses: CLIENT_ADDRESSES,
  };
  planNetwork(network);
  const round =
    (name === 'weighted' || kernelMode) && weights ? weights.reduce((sum, weight) => sum + weight) : count;
  const connections =
    argv.connections === undefined
      ? Math.min(Math.ceil(CONNECTIONS / round) * round, MAX_CONNECTIONS)
      : parseInteger('connections', argv.connections, 1, MAX_CONNECTIONS);
  return {
    strategy,
    ...(kernelMode ? { kernelMode } : {}),
    network,
    connections,
    ...(argv.exec === undefined ? {} : { exec: argv.exec }),
  };
}

/** The kernel's mode; undefined where a daemon chooses. */
function readKernelMode({
  engine,
  'kernel-mode': mode,
  strategy,
}: LabArguments): 'random' | 'nth' | undefined {
  const read = parseEngine({ engine, 'kernel-mode': mode });
  if (read.engine === 'kernel') {
    if (strategy === undefined) return read.kernelMode;
    throw new UsageError('--strategy is the daemon’s; leave it out with --engine kernel');
  }
  if (mode !== undefined) throw new UsageError('--kernel-mode needs --engine kernel here');
  return undefined;
}

/** A strategy's file must also be found from another directory. */
function strategyName(name: string): string {
  return isStrategyFile(name) ? resolve(name) : name;
}

async function use(lab: Lab, options: ExperimentOptions, argv: LabArguments): Promise<void> {
  const progress = tellProgress();
  const report = await experiment(lab, options, progress).finally(() => progress.end());
  process.stdout.write(argv.json ? `${JSON.stringify(report)}\n` : renderReport(report));
  if (!report.agree) process.exitCode = 1;
  if (argv.shell) await leaveUp(lab, options, argv);
}

/** Sets up wanmark on the router once more, and waits for a shell to end, or for Ctrl-C. */
async function leaveUp(lab: Lab, options: ExperimentOptions, argv: LabArguments): Promise<void> {
  const wanmark = new Wanmark(lab);
  const daemon = await bringUp(wanmark, options, { step: () => undefined });
  (argv.json ? process.stderr : process.stdout).write(describeHosts(lab));
  if (process.stdin.isTTY) {
    process.stderr.write('This is a shell on the router; leaving it ends the lab.\n');
    await interactiveShell(lab);
  } else {
    process.stderr.write('Ctrl-C ends the lab.\n');
    await lab.sandbox.ended;
  }
  await daemon?.stop();
}

/** Builds the lab, and removes it at the end, on Ctrl-C and the like, and when something fails. */
async function untilInterrupted(network: NetworkOptions, work: (lab: Lab) => Promise<void>): Promise<void> {
  let lab: Lab | undefined;
  let interrupted = false;
  const interrupt = async (signal: NodeJS.Signals) => {
    interrupted = true;
    await lab?.stop();
    process.exit(128 + constants.signals[signal]);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, interrupt);
  try {
    process.stderr.write('lab: building the network\n');
    lab = await Lab.start(network);
    await work(lab);
  } catch (error) {
    // It failed because the lab was removed meanwhile; the signal's handler ends the process.
    if (interrupted) await new Promise(() => {});
    throw error;
  } finally {
    await lab?.stop();
  }
}
