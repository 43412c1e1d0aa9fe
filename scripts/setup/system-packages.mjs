import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { machineEnvironment, outputOf, run, say } from './project.mjs';
import { SetupError } from './setup-error.mjs';

/** A requirement, the check for it, and the Debian package that contains it. */
const LIBPCAP = { name: 'the library libpcap', isThere: hasLibpcap, package: 'libpcap0.8' };
const SETPRIV = { name: 'setpriv', isThere: () => hasProgram('setpriv'), package: 'util-linux' };
const PYYAML = {
  name: 'the Python module yaml',
  isThere: () => outputOf('python3', ['-c', 'import yaml']) !== undefined,
  package: 'python3-yaml',
};
const TEST_PROGRAMS = programs([
  ['ip', 'iproute2'],
  ['nsenter', 'util-linux'],
  ['unshare', 'util-linux'],
  ['setsid', 'util-linux'],
  ['tshark', 'tshark'],
  ['dumpcap', 'tshark'],
  ['capinfos', 'tshark'],
  ['nginx', 'nginx-light'],
  ['caddy', 'caddy'],
  ['haproxy', 'haproxy'],
  ['openssl', 'openssl'],
  ['dockerd', 'docker.io'],
  ['podman', 'podman'],
  ['bash', 'bash'],
  ['strace', 'strace'],
  ['busybox', 'busybox-static'],
  ['docker-compose', 'docker-compose'],
  ['mmdebstrap', 'mmdebstrap'],
  ['setcap', 'libcap2-bin'],
  ['chromium', 'chromium'],
  ['dnsmasq', 'dnsmasq-base'],
]);
/** For a real Kubernetes, which is compiled and so needs Go: without it these tests are skipped. */
const KUBERNETES_PROGRAMS = [
  ...programs([
    ['containerd', 'containerd'],
    ['runc', 'runc'],
    ['iptables', 'iptables'],
    ['kubectl', 'kubernetes-client'],
    ['dnsmasq', 'dnsmasq-base'],
  ]),
  {
    name: 'the CNI plugins',
    isThere: () => existsSync('/usr/lib/cni/bridge'),
    package: 'containernetworking-plugins',
  },
];
const BENCH_PROGRAMS = programs([
  ['ip', 'iproute2'],
  ['ss', 'iproute2'],
  ['nsenter', 'util-linux'],
  ['dumpcap', 'wireshark-common'],
  ['tcpdump', 'tcpdump'],
  ['trafgen', 'netsniff-ng'],
  ['cc', 'gcc'],
]);
const SOAK_PROGRAMS = programs([
  ['ip', 'iproute2'],
  ['nsenter', 'util-linux'],
  ['bash', 'bash'],
]);
/** The benchmark compiles its sender, which needs the headers of the C library and the kernel. */
const C_HEADERS = { name: 'the C headers', isThere: hasCHeaders, package: 'libc6-dev' };

const NEEDS = {
  start: [LIBPCAP, SETPRIV],
  test: [LIBPCAP, SETPRIV, PYYAML, ...TEST_PROGRAMS],
  soak: [LIBPCAP, SETPRIV, ...SOAK_PROGRAMS],
  bench: [LIBPCAP, SETPRIV, ...BENCH_PROGRAMS, C_HEADERS],
  // The capture command only talks to a service.
  capture: [],
};

/** As root, installs what is missing; otherwise stops with the command to run. */
export function ensureSystemPackages(purpose) {
  const missing = findMissing(purpose);
  if (missing.length === 0) return;
  const names = missing.map(({ name }) => name).join(', ');
  const packages = [...new Set(missing.map((need) => need.package))];
  if (!hasProgram('apt-get')) {
    throw new SetupError(
      `missing on this machine: ${names}. Install them with the package manager of your system ` +
        `(the Debian packages are ${packages.join(', ')}), then try again.`,
    );
  }
  if (process.getuid() !== 0) {
    throw new SetupError(
      `missing on this machine: ${names}. Run this, then try again:\n\n${asCommand(packages)}\n`,
    );
  }
  install(names, packages);
  const stillMissing = findMissing(purpose);
  if (stillMissing.length > 0) {
    throw new SetupError(`still missing: ${stillMissing.map(({ name }) => name).join(', ')}`);
  }
}

function findMissing(purpose) {
  const optional = purpose === 'test' && hasProgram('go') ? KUBERNETES_PROGRAMS : [];
  return [...NEEDS[purpose], ...optional].filter((need) => !need.isThere());
}

// A fresh machine may be running its first automatic upgrade, whose lock apt-get waits for.
const INSTALL_OPTIONS = ['-y', '-q', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=120'];

function install(names, packages) {
  say(`missing on this machine: ${names}; installing ${packages.join(' ')}`);
  const environment = { ...machineEnvironment(), DEBIAN_FRONTEND: 'noninteractive' };
  const installed =
    run('apt-get', ['update', '-q'], environment) &&
    run('apt-get', ['install', ...INSTALL_OPTIONS, ...packages], environment);
  if (!installed) {
    throw new SetupError(
      `the installation failed, see above. The command to run is:\n\n${asCommand(packages)}\n`,
    );
  }
}

function asCommand(packages) {
  const sudo = process.getuid() === 0 ? '' : 'sudo ';
  return `${sudo}apt-get update && ${sudo}apt-get install -y --no-install-recommends ${packages.join(' ')}`;
}

/** Pairs of program and Debian package. */
function programs(pairs) {
  return pairs.map(([name, packageName]) => ({
    name,
    isThere: () => hasProgram(name),
    package: packageName,
  }));
}

function hasProgram(name) {
  // The PATH of an ordinary user often lacks the folders of system programs.
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.some((folder) => isExecutable(join(folder, name)));
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function hasCHeaders() {
  return namesIn('/usr/include').includes('stdio.h');
}

/** Debian calls the library libpcap.so.0.8, all others libpcap.so.1. */
function hasLibpcap() {
  const isLibpcap = (file) => /^libpcap\.so\.(0\.8|1)$/.test(file);
  return (
    libraryFolders().some((folder) => namesIn(folder).some(isLibpcap)) ||
    (outputOf('/sbin/ldconfig', ['-p']) ?? '').split(/\s+/).some(isLibpcap)
  );
}

function libraryFolders() {
  return ['/usr/lib', '/usr/lib64'].flatMap((folder) => [
    ...namesIn(folder)
      .filter((name) => name.includes('-linux-'))
      .map((name) => join(folder, name)),
    folder,
  ]);
}

function namesIn(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
