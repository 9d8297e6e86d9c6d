import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ServiceManager, takeServiceEnvironment } from '#wanmark/system/service-manager.js';

const PATH = '/run/systemd/notify';

function watchdogMs(environment: Record<string, string>): number | undefined {
  return new ServiceManager(environment, 7, () => assert.fail('nothing is sent')).watchdogMs;
}

describe('ServiceManager', () => {
  it('calls twice in the time that systemd allows', () => {
    assert.equal(watchdogMs({ NOTIFY_SOCKET: PATH, WATCHDOG_USEC: '10000000' }), 5000);
    assert.equal(watchdogMs({ NOTIFY_SOCKET: '@x', WATCHDOG_USEC: '10000000', WATCHDOG_PID: '7' }), 5000);
  });

  it('does not call where no watchdog is asked for, or for another process', () => {
    assert.equal(watchdogMs({}), undefined);
    assert.equal(watchdogMs({ NOTIFY_SOCKET: PATH }), undefined);
    assert.equal(watchdogMs({ NOTIFY_SOCKET: PATH, WATCHDOG_USEC: 'soon' }), undefined);
    assert.equal(watchdogMs({ WATCHDOG_USEC: '10000000' }), undefined);
    assert.equal(watchdogMs({ NOTIFY_SOCKET: 'vsock:2:1', WATCHDOG_USEC: '10000000' }), undefined);
    assert.equal(
      watchdogMs({ NOTIFY_SOCKET: PATH, WATCHDOG_USEC: '10000000', WATCHDOG_PID: '8' }),
      undefined,
    );
  });

  it('leaves nothing in the environment of the programs that it starts', () => {
    const environment = { NOTIFY_SOCKET: PATH, WATCHDOG_USEC: '1', WATCHDOG_PID: '2', HOME: '/' };
    const taken = takeServiceEnvironment(environment);
    assert.deepEqual(taken, { NOTIFY_SOCKET: PATH, WATCHDOG_USEC: '1', WATCHDOG_PID: '2' });
    assert.deepEqual(environment, { HOME: '/' });
  });

  it('says once that systemd cannot be told', () => {
    const said: string[] = [];
    const manager = new ServiceManager({ NOTIFY_SOCKET: '/nonexistent/notify' }, 7, (text) =>
      said.push(text),
    );
    manager.ready('well');
    manager.stopping();
    assert.equal(said.length, 1);
    assert.match(said[0]!, /^\/nonexistent\/notify: No such file/);
  });
});
