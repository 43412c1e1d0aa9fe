import { existsSync } from 'node:fs';
import { missingPrograms, reportSkipped, type RequiredProgram } from '../kit/required-programs.js';
import { describeAsRoot } from '../kit/root.js';

const REQUIRED: readonly RequiredProgram[] = [
  ['containerd', 'containerd'],
  ['ctr', 'containerd'],
  ['runc', 'runc'],
  ['iptables', 'iptables'],
  ['kubectl', 'kubernetes-client'],
  ['dnsmasq', 'dnsmasq-base'],
  ['openssl', 'openssl'],
  ['busybox', 'busybox-static'],
];
const CNI_PLUGIN = '/usr/lib/cni/bridge';

/** The programs of Kubernetes and Helm; set by scripts/jest/before-kubernetes.mjs. */
export const BINARY = process.env['PACKETFLIX_KUBERNETES'] ?? '';

/** Tests with Helm. Where Go is missing they are skipped, and the reason is reported. */
export const describeWithHelm = withObstacles('tests of the Helm chart', []);

/** Tests with a cluster, for which more is needed. */
export const describeWithCluster = withObstacles('tests with a real Kubernetes', [
  ...missingPrograms(REQUIRED),
  ...(existsSync(CNI_PLUGIN)
    ? []
    : [`${CNI_PLUGIN} is missing (Debian package containernetworking-plugins)`]),
]);

function withObstacles(title: string, others: readonly string[]): typeof describeAsRoot {
  const go = BINARY === '' ? ['Go is not installed, by which Kubernetes and Helm are compiled'] : [];
  const obstacles = [...go, ...others];
  if (obstacles.length === 0) return describeAsRoot;
  reportSkipped(title, obstacles);
  return describe.skip;
}
