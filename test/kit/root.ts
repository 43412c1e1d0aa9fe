import { spawnSync } from 'node:child_process';
import { jest } from '@jest/globals';

const TEST_TIMEOUT_MS = 90_000;
const REQUIRED_TOOLS: readonly (readonly [command: string, debianPackage: string])[] = [
  ['ip', 'iproute2'],
  ['nsenter', 'util-linux'],
  ['unshare', 'util-linux'],
  ['dumpcap', 'wireshark-common'],
  ['capinfos', 'wireshark-common'],
  ['tshark', 'tshark'],
  ['bash', 'bash'],
  ['strace', 'strace'],
];

/** Tests that make network namespaces. Where they cannot run they are skipped, and the output says what is missing. */
export function describeAsRoot(title: string, tests: () => void): void {
  jest.setTimeout(TEST_TIMEOUT_MS);
  const lacking = lackingForNamespaces();
  if (lacking.length === 0) {
    describe(title, tests);
    return;
  }
  reportSkipping(title, lacking);
  describe.skip(title, tests);
}

/** A test that needs a type of interface which not every kernel has been built with. */
export function itWithLinkType(type: string, title: string, test: () => Promise<void>): void {
  if (lackingForNamespaces().length > 0 || kernelHasLinkType(type)) {
    it(title, test);
    return;
  }
  reportSkipping(title, [`this kernel has no interfaces of type ${type}`]);
  it.skip(title, test);
}

function lackingForNamespaces(): string[] {
  const lacking = REQUIRED_TOOLS.filter(([command]) => spawnSync('which', [command]).status !== 0).map(
    ([command, debianPackage]) => `there is no ${command} (Debian package ${debianPackage})`,
  );
  if (process.getuid?.() !== 0) {
    lacking.unshift('only root may make network namespaces: run the tests as root');
  }
  return lacking;
}

/** `ip link add` knows a type without options at once: the kernel says "Unknown device type" or something else. */
function kernelHasLinkType(type: string): boolean {
  const attempt = spawnSync('unshare', ['--net', 'ip', 'link', 'add', 'probe0', 'type', type], {
    encoding: 'utf8',
  });
  return !/Unknown device type|not supported/i.test(attempt.stderr);
}

function reportSkipping(title: string, reasons: readonly string[]): void {
  // Not by console.warn, which Jest surrounds with ten lines about where it was called.
  process.stderr.write(`SKIPPED: ${title}\n  ${reasons.join('\n  ')}\n`);
}
