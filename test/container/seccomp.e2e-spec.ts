import { eventually } from '../kit/eventually.js';
import { SERVICE_IMAGE } from './service-image.js';
import { DeployedService } from './deployed-service.js';
import { describeWithImage, dockerWithImage, podmanWithImage } from './describe-with-image.js';

const START_TIMEOUT_MS = 120_000;
const EPERM = 1;
const ENOSYS = 38;

/** From the headers of Linux: fcntl.h, sched.h, socket.h, mount.h, bpf.h. */
const CLONE_NEWNET = 0x4000_0000;
const CLONE_NEWNS = 0x0002_0000;
const CLONE_NEWUSER = 0x1000_0000;
const [AF_UNIX, AF_INET, AF_NETLINK, AF_PACKET, AF_ALG, AF_VSOCK] = [1, 2, 16, 17, 38, 40];
const SOCK_RAW = 3;
const SOCK_DGRAM = 2;

/** Calls of the C library with numbers only, which runs in the image as its native part calls it, too. */
const PROGRAM = `
  const koffi = require('koffi');
  const libc = koffi.load(null);
  const answers = JSON.parse(process.argv[1]).map(([name, ...values]) => {
    const parameters = values.map(() => 'long').join(', ');
    const call = libc.func('int ' + name + '(' + parameters + ')');
    return call(...values) === -1 ? koffi.errno() : 0;
  });
  console.log(JSON.stringify(answers));
`;

type Call = readonly [name: string, ...values: number[]];

const ALLOWED: readonly (readonly [what: string, call: Call])[] = [
  ['an empty network namespace', ['unshare', CLONE_NEWNET]],
  ['unix sockets', ['socket', AF_UNIX, SOCK_DGRAM, 0]],
  ['IP sockets', ['socket', AF_INET, SOCK_DGRAM, 0]],
  ['netlink sockets', ['socket', AF_NETLINK, SOCK_RAW, 0]],
  ['packet sockets', ['socket', AF_PACKET, SOCK_RAW, 0]],
];

/** Capabilities that are there allow most of this without the profile, see the last test. */
const FORBIDDEN: readonly (readonly [what: string, call: Call, errno?: number])[] = [
  ['tracing others', ['ptrace', 16, 999_999_999, 0, 0]],
  ['mounting', ['mount', 0, 0, 0, 0, 0]],
  ['unmounting', ['umount2', 0, 0]],
  ['BPF programs', ['syscall', 321, 0, 0, 0]],
  ['keys of the kernel', ['syscall', 250, 0, 0, 0, 0, 0]],
  ['io_uring, which goes past the profile', ['syscall', 425, 1, 0]],
  ['performance events', ['syscall', 298, 0, 0, 0, 0, 0]],
  ['reading the memory of others', ['process_vm_readv', 1, 0, 0, 0, 0, 0]],
  ['another root folder', ['chroot', 0]],
  ['an own mount namespace', ['unshare', CLONE_NEWNS]],
  ['an own user namespace', ['unshare', CLONE_NEWUSER]],
  ['an own network and mount namespace at once', ['unshare', CLONE_NEWNET + CLONE_NEWNS]],
  ['entering namespaces of any kind', ['setns', 0, 0]],
  ['entering mount namespaces', ['setns', 0, CLONE_NEWNS]],
  ['clone3, whose flags nobody sees', ['syscall', 435, 0, 0], ENOSYS],
  ['sockets of other families', ['socket', AF_ALG, SOCK_DGRAM, 0]],
  ['sockets to the hypervisor', ['socket', AF_VSOCK, SOCK_DGRAM, 0]],
  ['the clock', ['syscall', 164, 0, 0]],
  ['modules', ['syscall', 176, 0, 0]],
];

/** By the lack of other capabilities, and by settings of the host. */
const FORBIDDEN_ANYWAY = [
  'keys of the kernel',
  'io_uring, which goes past the profile',
  'performance events',
  'reading the memory of others',
  'another root folder',
  'the clock',
  'modules',
];

describe.each([
  ['Docker', dockerWithImage],
  ['Podman', podmanWithImage],
])('With %s', (_, withImage) => {
  describeWithImage('the seccomp profile', () => {
    const container = withImage();
    let id: string;
    beforeAll(async () => {
      const service = await container.use(DeployedService.up(container.runtime));
      id = service.containerId;
    }, START_TIMEOUT_MS);

    /** Error numbers, 0 for those that do well. A process that is told to go into the container has its profile. */
    async function answersTo(calls: readonly Call[]): Promise<number[]> {
      const script = ['node', '--eval', PROGRAM, JSON.stringify(calls)];
      const output = await eventually(
        'an answer',
        () => container.runtime.cli('exec', id, ...script),
        30_000,
      );
      return JSON.parse(output) as number[];
    }

    it('lets the service do what it needs', async () => {
      const answers = await answersTo(ALLOWED.map(([, call]) => call));
      expect(answers.map((errno, index) => [ALLOWED[index]?.[0], errno])).toEqual(
        ALLOWED.map(([what]) => [what, 0]),
      );
    });

    // The numbers of those without a name in the C library are those of this architecture.
    (process.arch === 'x64' ? it : it.skip)('forbids everything else that could do harm', async () => {
      const answers = await answersTo(FORBIDDEN.map(([, call]) => call));
      expect(answers.map((errno, index) => [FORBIDDEN[index]?.[0], errno])).toEqual(
        FORBIDDEN.map(([what, , errno = EPERM]) => [what, errno]),
      );
    });

    it('is what forbids it: without it some of that does well, or fails for other reasons', async () => {
      const calls = FORBIDDEN.map(([, call]) => call);
      const capabilities = ['SYS_ADMIN', 'SYS_PTRACE'].flatMap((name) => ['--cap-add', name]);
      const options = ['--security-opt', 'seccomp=unconfined', '--cap-drop', 'ALL', ...capabilities];
      const place = ['--rm', '--network', 'none', '--entrypoint', 'node', SERVICE_IMAGE];
      const script = ['--eval', PROGRAM, JSON.stringify(calls)];
      const output = await container.runtime.cli('run', ...options, ...place, ...script);
      const answers = JSON.parse(output) as number[];
      const forbidden = FORBIDDEN.filter((_call, index) => answers[index] === EPERM).map(([what]) => what);
      expect(forbidden.filter((what) => !FORBIDDEN_ANYWAY.includes(what))).toEqual([]);
    });
  });
});
