/** What is in packaging/, as far as a machine can try it that is neither OpenWrt nor Alpine: with their functions as stubs. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { installApplets } from '../helpers/applets.js';
import { needs, program } from '../helpers/requires.js';
import { CHECKOUT } from '../helpers/tarball.js';

const PACKAGING = join(CHECKOUT, 'packaging');
const INIT = `${PACKAGING}/openwrt/files/wanmark.init`;
const HOTPLUG = `${PACKAGING}/openwrt/files/wanmark.hotplug`;
const OPENRC = `${PACKAGING}/alpine/wanmark.initd`;
const APKBUILD = `${PACKAGING}/alpine/APKBUILD`;
const { version } = JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8')) as { version: string };

/** With the applets of busybox; made at the first use. */
let applets: string | undefined;

const folder = mkdtempSync(join(tmpdir(), 'wanmark-packaging-'));
after(() => rmSync(folder, { recursive: true }));

/** Runs a script in busybox's shell, with its applets and a `wanmark` and a `balance.sh` that say how they are called. */
function run(name: string, script: string, files: readonly string[]): string {
  const [bin, etc] = [join(folder, name, 'bin'), join(folder, name, 'etc')];
  for (const one of [bin, etc]) mkdirSync(one, { recursive: true });
  if (applets === undefined) {
    applets = join(folder, 'applets');
    mkdirSync(applets);
    installApplets(applets);
  }
  writeFileSync(join(bin, 'rc-service'), '#!/bin/sh\necho "rc-service $*"\n', { mode: 0o755 });
  if (files.includes('wanmark.yaml')) {
    writeFileSync(join(bin, 'wanmark'), '#!/bin/sh\necho "wanmark $*"\n', { mode: 0o755 });
  }
  for (const file of files) writeFileSync(join(etc, file), `echo "${file} $*"\n`);
  const env = { PATH: `${bin}:${applets}`, WANMARK_ETC: etc };
  const out = execFileSync(join(applets, 'sh'), ['-c', `exec 2>&1; ${script}`], { env, encoding: 'utf8' });
  return out.replaceAll(`${etc}/`, '');
}

/** As /etc/rc.common has them, for a starter of procd. */
const RC_COMMON = `
  for f in procd_open_instance procd_close_instance procd_set_param procd_kill; do
    eval "$f() { echo \\"$f \\$*\\"; }"
  done
  restart() { stop; start; }
  . ${INIT}
  start() { start_service; }
  stop() { procd_kill wanmark; service_stopped; }
  reload() { reload_service; }`;

const BUSYBOX = needs(program('busybox'));

describe('the starter for OpenWrt', BUSYBOX, () => {
  it('runs the script, and no restart takes its rules away', () => {
    const calls = (verb: string) => run(`script-${verb}`, `(${RC_COMMON}\n${verb})`, ['balance.sh']);
    assert.equal(calls('start'), 'balance.sh up\n');
    assert.equal(calls('reload'), 'balance.sh up\n');
    assert.equal(calls('restart'), 'procd_kill wanmark\nbalance.sh up\n');
    assert.equal(calls('stop'), 'procd_kill wanmark\nbalance.sh down\n');
  });

  it('has procd run the daemon where there is one', () => {
    const calls = (verb: string) =>
      run(`daemon-${verb}`, `(${RC_COMMON}\n${verb})`, ['balance.sh', 'wanmark.yaml']);
    assert.match(calls('start'), /^procd_set_param command wanmark run --up --config wanmark\.yaml$/m);
    assert.match(calls('start-again; start'), /^procd_set_param respawn 0 1 0$/m);
    assert.doesNotMatch(calls('restart'), /wanmark down/);
    assert.match(calls('stop'), /^wanmark down$/m);
  });

  it('says what is missing', () => {
    assert.match(
      run('neither', `(${RC_COMMON}\nstart) || echo "code $?"`, []),
      /^wanmark: neither .*\ncode 1\n$/,
    );
  });

  it('refreshes after a change of an interface, where no daemon sees it', () => {
    const script = (action: string) => `ACTION=${action}; . ${HOTPLUG}`;
    assert.equal(run('hotplug-ifup', script('ifup'), ['balance.sh']), 'balance.sh refresh\n');
    assert.equal(run('hotplug-other', script('change'), ['balance.sh']), '');
    assert.equal(run('hotplug-daemon', script('ifup'), ['balance.sh', 'wanmark.yaml']), '');
  });
});

describe("OpenWrt's Makefile", () => {
  it('installs the scripts, of this version', needs(program('make')), () => {
    const top = join(folder, 'top');
    mkdirSync(top);
    writeFileSync(
      join(top, 'rules.mk'),
      'INCLUDE_DIR:=$(TOPDIR)\nINSTALL_DIR:=mkdir -p\nINSTALL_BIN:=install -m 755\nINSTALL_DATA:=install -m 644\n',
    );
    writeFileSync(
      join(top, 'package.mk'),
      'define BuildPackage\ninstall:\n\t$(call Package/$(1)/install,$(DEST))\nversion:\n\t@echo $(PKG_VERSION)\nendef\n',
    );
    const make = (target: string) =>
      execFileSync(
        'make',
        ['-s', '-C', `${PACKAGING}/openwrt`, `TOPDIR=${top}`, `DEST=${top}/root`, target],
        {
          encoding: 'utf8',
        },
      );
    assert.equal(make('version'), `${version}\n`);
    make('install');
    const installed = execFileSync('find', ['.', '-type', 'f'], { cwd: join(top, 'root'), encoding: 'utf8' });
    assert.deepEqual(installed.trim().split('\n').toSorted(), [
      './etc/hotplug.d/iface/90-wanmark',
      './etc/init.d/wanmark',
      './usr/share/wanmark/service.sh',
      './usr/share/wanmark/three-wans-one-port.sh',
      './usr/share/wanmark/two-wans-nft.sh',
      './usr/share/wanmark/two-wans.sh',
    ]);
  });
});

describe('the package for Alpine', BUSYBOX, () => {
  it('is of this version, and its files are there', () => {
    const script = `startdir=${PACKAGING}/alpine; . ${APKBUILD}; echo $pkgver; cd $startdir; ls $source $install`;
    const [first, ...files] = run('apkbuild', `(${script})`, []).trim().split('\n');
    assert.equal(first, version);
    assert.deepEqual(files, ['wanmark.confd', 'wanmark.initd', 'wanmark.pre-install']);
  });

  it('has a starter that keeps the rules, and takes them away when it is asked to', () => {
    const stubs = `
      for f in checkpath ebegin eend need after use; do eval "$f() { echo \\"$f \\$*\\"; }"; done
      service_started() { true; }; RC_SVCNAME=wanmark; config=wanmark.yaml`;
    const calls = (verb: string) =>
      run(`openrc-${verb}`, `(${stubs}\n. ${OPENRC}\n${verb})`, ['wanmark.yaml']);
    assert.equal(
      calls('start_pre'),
      'checkpath --directory --owner wanmark:wanmark --mode 0755 /run/wanmark\n',
    );
    assert.match(calls('reload'), /^wanmark reload --config wanmark\.yaml$/m);
    assert.match(calls('rules_down'), /^rc-service wanmark stop\n.*\nwanmark down$/m);
    assert.match(calls('depend'), /^need net$/m);
    const variables = 'echo $command $command_args';
    assert.match(
      run('openrc', `(${stubs}\n. ${OPENRC}\n${variables})`, []),
      /run --up --config wanmark\.yaml/,
    );
  });
});
