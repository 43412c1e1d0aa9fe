import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ChildProcess } from '../../src/supervisor/child-process.js';
import { Supervisor } from '../../src/supervisor/supervisor.js';
import { eventually } from '../kit/eventually.js';
import { describeAsRoot } from '../kit/root.js';

const STAND_IN = fileURLToPath(new URL('../../src/supervisor/fixtures/child.mjs', import.meta.url));
const NOBODY = 65_534;
const DAEMON = 1;
/** Runs a program as another user, who can read the code wherever it is. */
const AS_DAEMON = [
  ...['--reuid', String(DAEMON), '--regid', String(DAEMON), '--clear-groups'],
  ...['--inh-caps', '+dac_read_search', '--ambient-caps', '+dac_read_search', '--'],
];

/** Calls a function as a user that may not send signals to that one. */
function asNobody(call: () => void): void {
  process.seteuid?.(NOBODY);
  try {
    call();
  } finally {
    process.seteuid?.(0);
  }
}

describeAsRoot('A child that the supervisor may not kill', () => {
  const started: ChildProcess[] = [];
  const launch = (...behaviour: string[]): ChildProcess => {
    const child = new ChildProcess(
      { file: 'setpriv', args: [...AS_DAEMON, process.execPath, STAND_IN, ...behaviour] },
      process.env,
    );
    started.push(child);
    return child;
  };
  afterEach(async () => {
    for (const child of started.splice(0)) {
      child.kill();
      await child.ended;
    }
  });

  it('is not taken for one that has ended', async () => {
    const child = launch('stubborn');
    await child.becameReady();
    let failure: Error | undefined;
    asNobody(() => (failure = child.kill()));
    expect(failure?.message).toMatch(/EPERM/);
    expect(await Promise.race([child.ended, sleep(200, 'running')])).toBe('running');
    expect(child.kill()).toBeUndefined();
    expect(await child.ended).toEqual({ status: null, signal: 'SIGKILL' });
  });

  it('is not replaced by a second one, and does not delay the end of the others for ever', async () => {
    const log: string[] = [];
    const supervisor = new Supervisor({ server: () => launch('stubborn'), privileged: [] }, (line) =>
      log.push(line),
    );
    const status = supervisor.run();
    await started[0]?.becameReady();
    await sleep(100);
    process.seteuid?.(NOBODY);
    try {
      supervisor.shutDown('SIGTERM');
      expect(await status).toBe(0);
    } finally {
      process.seteuid?.(0);
    }
    await eventually('the report', () => log.some((line) => /^server cannot be killed: .*EPERM/.test(line)));
    expect(started).toHaveLength(1);
  });
});
