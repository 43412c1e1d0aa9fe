import { eventually } from '../kit/eventually.js';
import { SERVICE_IMAGE } from './service-image.js';
import { DeployedService } from './deployed-service.js';
import { describeWithImage, dockerWithImage, podmanWithImage } from './describe-with-image.js';

const START_TIMEOUT_MS = 120_000;
const EPERM = 1;
const ENOSYS = 38;

/** Constants of sched.h and socket.h. */
const CLONE_NEWNET = 0x4000_0000;
const CLONE_NEWNS = 0x0002_0000;
const CLONE_NEWUSER = 0x1000_0000;
const [AF_UNIX, AF_INET, AF_NETLINK, AF_PACKET, AF_ALG, AF_VSOCK] = [1, 2, 16, 17, 38, 40];
const SOCK_RAW = 3;
const SOCK_DGRAM = 2;

/** Calls functions of the C library with numeric arguments and prints the error number of each, 0 for success. */
const PROGRAM = `
  const koffi = require('koffi');
  const libc = koffi.load(null);
  const errors = JSON.parse(process.argv[1]).map(([name, ...values]) => {
    const parameters = values.map(() => 'long').join(', ');
    const call = libc.func('int ' + name + '(' + parameters + ')');
    return call(...values) === -1 ? koffi.errno() : 0;
  });
  console.log(JSON.stringify(errors));
`;

type Call = readonly [name: string, ...values: number[]];

const ALLOWED: readonly (readonly [what: string, call: Call])[] = [
  ['an empty network namespace', ['unshare', CLONE_NEWNET]],
  ['unix sockets', ['socket', AF_UNIX, SOCK_DGRAM, 0]],
  ['IP sockets', ['socket', AF_INET, SOCK_DGRAM, 0]],
  ['netlink sockets', ['socket', AF_NETLINK, SOCK_RAW, 0]],
  ['packet sockets', ['socket', AF_PACKET, SOCK_RAW, 0]],
];

/** Most of these calls are allowed by the capabilities of the service without the profile, see the last test. */
const FORBIDDEN: readonly (readonly [what: string, call: Call, errno?: number])[] = [
  ['tracing other processes', ['ptrace', 16, 999_999_999, 0, 0]],
  ['mounting', ['mount', 0, 0, 0, 0, 0]],
  ['unmounting', ['umount2', 0, 0]],
  ['BPF programs', ['syscall', 321, 0, 0, 0]],
  ['kernel keyrings', ['syscall', 250, 0, 0, 0, 0, 0]],
  ['io_uring, which bypasses the profile', ['syscall', 425, 1, 0]],
  ['performance events', ['syscall', 298, 0, 0, 0, 0, 0]],
  ['reading the memory of other processes', ['process_vm_readv', 1, 0, 0, 0, 0, 0]],
  ['changing the root directory', ['chroot', 0]],
  ['a new mount namespace', ['unshare', CLONE_NEWNS]],
  ['a new user namespace', ['unshare', CLONE_NEWUSER]],
  ['a new network and mount namespace at once', ['unshare', CLONE_NEWNET + CLONE_NEWNS]],
  ['entering namespaces of any kind', ['setns', 0, 0]],
  ['entering mount namespaces', ['setns', 0, CLONE_NEWNS]],
  ['clone3, whose flags a filter cannot read', ['syscall', 435, 0, 0], ENOSYS],
  ['sockets of other families', ['socket', AF_ALG, SOCK_DGRAM, 0]],
  ['vsock sockets', ['socket', AF_VSOCK, SOCK_DGRAM, 0]],
  ['setting the clock', ['syscall', 164, 0, 0]],
  ['unloading kernel modules', ['syscall', 176, 0, 0]],
];

/** Calls that missing capabilities or settings of the host forbid even without the profile. */
const FORBIDDEN_ANYWAY = [
  'kernel keyrings',
  'io_uring, which bypasses the profile',
  'performance events',
  'reading the memory of other processes',
  'changing the root directory',
  'setting the clock',
  'unloading kernel modules',
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

    /** Makes the calls in the container, where the profile holds; returns their error numbers, 0 for success. */
    async function errorsOf(calls: readonly Call[]): Promise<number[]> {
      const script = ['node', '--eval', PROGRAM, JSON.stringify(calls)];
      const output = await eventually(
        'the results of the calls',
        () => container.runtime.cli('exec', id, ...script),
        30_000,
      );
      return JSON.parse(output) as number[];
    }

    it('allows the calls that the service needs', async () => {
      const answers = await errorsOf(ALLOWED.map(([, call]) => call));
      expect(answers.map((errno, index) => [ALLOWED[index]?.[0], errno])).toEqual(
        ALLOWED.map(([what]) => [what, 0]),
      );
    });

    // The system call numbers are those of x86-64.
    (process.arch === 'x64' ? it : it.skip)(
      'forbids dangerous calls that the service does not need',
      async () => {
        const answers = await errorsOf(FORBIDDEN.map(([, call]) => call));
        expect(answers.map((errno, index) => [FORBIDDEN[index]?.[0], errno])).toEqual(
          FORBIDDEN.map(([what, , errno = EPERM]) => [what, errno]),
        );
      },
    );

    it('is the cause: without it, most of these calls succeed or fail for other reasons', async () => {
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
