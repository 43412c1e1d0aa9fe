import { readdirSync, readFileSync, statSync } from 'node:fs';
import { startAllProcesses } from '../kit/all-processes.js';
import { eventually } from '../kit/eventually.js';
import { privilegesOf } from '../kit/processes.js';
import { describeAsRoot } from '../kit/root.js';
import { Service } from '../kit/service.js';

describeAsRoot('Other processes of the same user', () => {
  it('cannot inspect engines, discoverer and filter compilers, and compilers can call next to nothing', async () => {
    await using service = await Service.start();
    await startAllProcesses(service);
    for (const role of ['engine', 'discoverer', 'filter compiler'] as const) {
      await eventually(`a ${role} that is not dumpable`, () =>
        // The kernel gives the files of such a process to root.
        service.allInRole(role).some(({ pid }) => privilegesOf(pid).uids[0] !== 0 && ownerOf(pid) === 0),
      );
    }
    const compiler = service.inRole('filter compiler').pid;
    const tasks = readdirSync(`/proc/${compiler}/task`);
    const modes = tasks.map((task) => {
      const status = readFileSync(`/proc/${compiler}/task/${task}/status`, 'latin1');
      return /^Seccomp:\s*(\d)/m.exec(status)?.[1];
    });
    expect(tasks.length).toBeGreaterThan(1);
    expect(new Set(modes)).toEqual(new Set(['2']));
    const limits = readFileSync(`/proc/${compiler}/limits`, 'latin1');
    expect(Number(/^Max data size\s+(\d+)/m.exec(limits)?.[1])).toBeLessThan(512 * 1024 * 1024);
    expect(readFileSync(`/proc/${compiler}/oom_score_adj`, 'latin1').trim()).toBe('1000');
  });
});

function ownerOf(pid: number): number {
  return statSync(`/proc/${pid}/environ`).uid;
}
