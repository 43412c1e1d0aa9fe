import { spawnSync } from 'node:child_process';
import { jest } from '@jest/globals';
import { missingPrograms, reportSkipped, type RequiredProgram } from './required-programs.js';

const TEST_TIMEOUT_MS = 90_000;
const REQUIRED: readonly RequiredProgram[] = [
  ['ip', 'iproute2'],
  ['nsenter', 'util-linux'],
  ['unshare', 'util-linux'],
  ['dumpcap', 'wireshark-common'],
  ['capinfos', 'wireshark-common'],
  ['tshark', 'tshark'],
  ['bash', 'bash'],
  ['strace', 'strace'],
];

/** Tests that make network namespaces. Where they cannot run, they are skipped and the reasons are reported. */
export function describeAsRoot(title: string, tests: () => void): void {
  jest.setTimeout(TEST_TIMEOUT_MS);
  const obstacles = namespaceObstacles();
  if (obstacles.length === 0) {
    describe(title, tests);
    return;
  }
  reportSkipped(title, obstacles);
  describe.skip(title, tests);
}

/** A test that needs a type of interface which some kernels do not support. */
export function itWithLinkType(type: string, title: string, test: () => Promise<void>): void {
  if (namespaceObstacles().length > 0 || kernelHasLinkType(type)) {
    it(title, test);
    return;
  }
  reportSkipped(title, [`this kernel has no interfaces of type ${type}`]);
  it.skip(title, test);
}

function namespaceObstacles(): string[] {
  const missing = missingPrograms(REQUIRED);
  return process.getuid?.() === 0
    ? missing
    : ['only root may make network namespaces: run the tests as root', ...missing];
}

/** Tries to add such an interface: for a type that the kernel does not support, ip-link(8) prints one of these errors. */
function kernelHasLinkType(type: string): boolean {
  const attempt = spawnSync('unshare', ['--net', 'ip', 'link', 'add', 'probe0', 'type', type], {
    encoding: 'utf8',
  });
  return !/Unknown device type|not supported/i.test(attempt.stderr);
}
