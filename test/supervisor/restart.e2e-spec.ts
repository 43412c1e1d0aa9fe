import { eventually } from '../kit/eventually.js';
import { describeAsRoot } from '../kit/root.js';
import { Service } from '../kit/service.js';

describeAsRoot('A killed process of the service', () => {
  it.each(['engine', 'server'] as const)('is restarted: %s', async (role) => {
    await using service = await Service.start();
    const { pid } = service.inRole(role);
    const count = service.processes().length;
    process.kill(pid, 'SIGKILL');
    await service.child.saying(new RegExp(`${role}.* was ended by SIGKILL; restarting it in 100 ms`));
    await eventually(`another ${role}`, () => {
      const processes = service.processes();
      return processes.length === count && !processes.some((process) => process.pid === pid);
    });
    await eventually('the service to answer again', () => service.answers());
  });
});
