import { readFileSync } from 'node:fs';
import { CaptureClient } from '../kit/capture-client.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { sendPackets } from '../kit/packets.js';
import { describeAsRoot } from '../kit/root.js';
import { run } from '../kit/run.js';
import { AS_OLDER_KERNEL, MAIN, Service } from '../kit/service.js';

const LINUX = new URL('../../dist/shared/linux/', import.meta.url).href;

const COUNT = 50;
const [EPERM, EINVAL, ENOSYS] = [1, 22, 38];
/** Linux 5.9, 5.11, 5.6 and 5.6; see asm-generic/unistd.h and linux/close_range.h. */
const CLOSE_RANGE = 'close_range';
const CLOSE_RANGE_CLOEXEC = 'close_range with CLOSE_RANGE_CLOEXEC';
const OPENAT2 = 'openat2';
const PIDFD_GETFD = 'pidfd_getfd';

/** Prints the errno of each call. The arguments are invalid, so that a kernel that has a call answers EINVAL, EBADF or EFAULT. */
const PROBE = `
  const { loadLibrary, lastErrno } = await import('${LINUX}native.js');
  const call = loadLibrary(null).func('long syscall(long, long, long, long, long)');
  const errno = (...args) => (Number(call(...args)) === 0 ? 0 : lastErrno());
  console.log(JSON.stringify({
    '${CLOSE_RANGE}': errno(436, 1000000, 1000001, 0, 0),
    '${CLOSE_RANGE_CLOEXEC}': errno(436, 1000000, 1000001, 4, 0),
    '${OPENAT2}': errno(437, -1, 0, 0, 0),
    '${PIDFD_GETFD}': errno(438, -1, 0, 0, 0),
  }));
`;

/** Opens an inheritable socket, as libpcap does, and prints whether programs inherit it before and after the call. */
const INHERITANCE = `
  const { spawnSync } = await import('node:child_process');
  const { loadLibrary } = await import('${LINUX}native.js');
  const { closeAllOnExec } = await import('${LINUX}libc.js');
  const fd = loadLibrary(null).func('int socket(int, int, int)')(1, 1, 0);
  const isInherited = () => String(spawnSync('readlink', ['/proc/self/fd/' + fd]).stdout).startsWith('socket:');
  const before = isInherited();
  closeAllOnExec();
  console.log(JSON.stringify({ before, after: isInherited() }));
`;

const KERNELS = [
  [
    'linux-5.4',
    { [CLOSE_RANGE]: ENOSYS, [CLOSE_RANGE_CLOEXEC]: ENOSYS, [OPENAT2]: ENOSYS, [PIDFD_GETFD]: ENOSYS },
  ],
  ['linux-5.10', { [CLOSE_RANGE]: 0, [CLOSE_RANGE_CLOEXEC]: EINVAL }],
  ['old-seccomp-profile', { [CLOSE_RANGE]: EPERM, [CLOSE_RANGE_CLOEXEC]: EPERM }],
] as const;

describeAsRoot('On an older kernel', () => {
  describe.each(KERNELS)('%s', (kernel, errnos) => {
    const wrapper = [process.execPath, AS_OLDER_KERNEL, kernel];

    const evaluate = async (program: string): Promise<unknown> => {
      const [command = '', ...args] = [...wrapper, process.execPath, '--input-type=module', '-e', program];
      return JSON.parse(await run(command, ...args));
    };

    it('newer system calls fail', async () => {
      expect(await evaluate(PROBE)).toMatchObject(errnos);
    });

    it('descriptors are closed on exec', async () => {
      expect(await evaluate(INHERITANCE)).toEqual({ before: true, after: false });
    });

    it.each(['ring', 'libpcap'])('the service captures with --packet-method %s', async (method) => {
      await using namespace = await NetworkNamespace.create();
      await namespace.addWire('eth0', 'eth1');
      await using service = await Service.start(['--packet-method', method], {
        command: [...wrapper, process.execPath, MAIN],
      });
      expect(readFileSync(`/proc/${service.pid}/status`, 'utf8')).toMatch(/^Seccomp:\t2$/m);

      await using client = await CaptureClient.open(service, {
        netns: namespace.inode,
        nif: 'eth1',
        filter: 'udp port 4711',
      });
      await client.described('eth1');
      await sendPackets(namespace, { interface: 'eth0', flow: 1, udpPort: 4711, count: COUNT });
      await client.received(COUNT, 1);

      expect(await service.stop()).toBe(0);
      expect(service.log).not.toMatch(/close_range|ENOSYS|EINVAL|function not implemented/i);
    });
  });
});
