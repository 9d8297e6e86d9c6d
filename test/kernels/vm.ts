import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { CHECKOUT, type System } from './system.js';

/** What a virtual machine is to do. */
export interface Task {
  readonly system: System;
  readonly backend: string;
  /** Names of files in test/netns. */
  readonly files: readonly string[];
  /** An empty folder, which gets what each file's run has said. */
  readonly results: string;
}

/** Longer than any file takes, so that a machine that hangs does not stay. */
const SILENT_MS = 3 * 3_600_000;
const MEMORY_MB = 3072;

/**
 * Boots a system and runs tests in it. Its processor is emulated, also where the machine has a better one: its time then goes by
 * the instructions that it has carried out, 1 ns for each, so that limits in tests mean the same on a loaded machine. While
 * it waits, its time goes as ours.
 *
 * @param hear gets each line that guest.sh says
 * @throws {Error} when the machine ends without having said `end`, with what its console said last
 */
export async function runInVm(
  { system, backend, files, results }: Task,
  hear: (line: string) => void,
): Promise<void> {
  const append = [
    'console=ttyS0 quiet panic=-1 reboot=t',
    // Emulated, the calibration of its timers would fail now and then.
    'tsc=reliable no_timer_check',
    'mitigations=off nokaslr random.trust_cpu=on apparmor=0 selinux=0 audit=0',
    `wanmark.backend=${backend} wanmark.files=${files.join(',')}`,
  ];
  const share = (tag: string, path: string, more: string) => [
    ...['-fsdev', `local,id=${tag},path=${path},security_model=none,multidevs=remap${more}`],
    ...['-device', `virtio-9p-pci,fsdev=${tag},mount_tag=${tag}`],
  ];
  const argv = [
    ...[
      '-machine',
      'q35,usb=off,smbus=off,vmport=off',
      '-accel',
      'tcg',
      '-icount',
      'shift=0',
      '-cpu',
      'max,la57=off',
    ],
    ...[
      '-smp',
      '1',
      '-m',
      String(MEMORY_MB),
      '-nodefaults',
      '-no-user-config',
      '-no-reboot',
      '-display',
      'none',
    ],
    ...['-nic', 'none', '-kernel', system.kernel, '-initrd', system.initrd, '-append', append.join(' ')],
    ...share('system', system.root, ',readonly=on'),
    ...share('checkout', CHECKOUT, ',readonly=on'),
    ...share('results', results, ''),
    ...['-object', 'rng-random,id=random,filename=/dev/urandom', '-device', 'virtio-rng-pci,rng=random'],
    ...['-chardev', `file,id=console,path=${results}/console`, '-serial', 'chardev:console'],
    ...['-device', 'virtio-serial-pci', '-chardev', 'stdio,id=said,signal=off'],
    ...['-device', 'virtserialport,chardev=said,name=said'],
  ];
  const qemu = spawn('qemu-system-x86_64', argv, { stdio: ['pipe', 'pipe', 'inherit'] });
  const timer = setTimeout(() => qemu.kill(), SILENT_MS);
  const end = () => qemu.kill();
  const stop = () => process.exit(1);
  process.once('exit', end).once('SIGTERM', stop);
  let hasEnded = false;
  try {
    for await (const line of createInterface(qemu.stdout)) {
      timer.refresh();
      if (line === 'end') hasEnded = true;
      else hear(line);
    }
  } finally {
    clearTimeout(timer);
    process.removeListener('exit', end).removeListener('SIGTERM', stop);
    qemu.kill();
  }
  if (!hasEnded) throw new Error(`the virtual machine ended too early; its console is ${results}/console`);
}
