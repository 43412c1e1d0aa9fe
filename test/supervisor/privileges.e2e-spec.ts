import { readFileSync } from 'node:fs';
import { describeAsRoot } from '../kit/root.js';
import { MAIN, RunningService } from './running-service.js';

function statusOf(pid: number): Record<string, string> {
  const lines = readFileSync(`/proc/${pid}/status`, 'utf8').trim().split('\n');
  return Object.fromEntries(lines.map((line) => line.split(/:\s+/, 2) as [string, string]));
}

describeAsRoot('privileges of the processes', () => {
  it('leaves the front none, and no way to get any', async () => {
    await using service = await RunningService.start();
    const none = '0000000000000000';
    expect(statusOf(service.inRole('front').pid)).toMatchObject({
      CapInh: none,
      CapPrm: none,
      CapEff: none,
      CapBnd: none,
      CapAmb: none,
      NoNewPrivs: '1',
    });
  });

  it('leaves the engines what the supervisor has', async () => {
    await using service = await RunningService.start();
    expect(statusOf(service.inRole('engine').pid)['CapEff']).toBe(statusOf(service.pid)['CapEff']);
  });

  it('says at the start what is missing and how to mend it, and serves the rest', async () => {
    const setpriv = ['setpriv', '--inh-caps=-all', '--bounding-set=-all', '--'];
    await using service = await RunningService.start([...setpriv, process.execPath, MAIN]);
    expect(service.log).toMatch(/missing capability CAP_SYS_ADMIN.*CAPTURES WILL NOT WORK/);
    expect(service.log).toMatch(/to mend it[^]*run it as root/);
    expect(await service.answers()).toBe(true);
  });
});
