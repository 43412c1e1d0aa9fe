// node tools/manifests.mjs [--check]: writes kubernetes/packetflix.yaml, the objects of the Helm chart for those who do not
// use Helm; --check compares only. It needs `helm`, or the binary of the tests with Kubernetes.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kubernetesBinary } from '../scripts/setup/kubernetes.mjs';
import { outputOf, PROJECT } from '../scripts/setup/project.mjs';

const FILE = join(PROJECT, 'kubernetes/packetflix.yaml');
const CHART = join(PROJECT, 'kubernetes/chart');
const NAME = 'packetflix';
const HEADER = `# Packetflix on every node of a cluster, with two gateways. Made from kubernetes/chart by \`npm run manifests\`: change that.
#
# 1. Change the image here. Let your clients reach the gateways (NetworkPolicy), or use \`kubectl port-forward\`.
# 2. kubectl apply --filename kubernetes/packetflix.yaml
# 3. kubectl --namespace packetflix create secret generic packetflix \\
#      --from-literal=token="$(openssl rand -hex 32)" --from-literal=ticket-key="$(openssl rand -hex 32)"
#
# Pods start when the Secret is there. For Kubernetes 1.30 and later: docs/kubernetes.md
apiVersion: v1
kind: Namespace
metadata:
  name: packetflix
  labels:
    # The host's process namespace and SYS_ADMIN exceed "baseline". Run nothing else in this namespace.
    pod-security.kubernetes.io/enforce: privileged
    pod-security.kubernetes.io/warn: privileged
`;

const text = HEADER + rendered();
if (process.argv[2] !== '--check') {
  writeFileSync(FILE, text);
} else if (!existsSync(FILE) || readFileSync(FILE, 'utf8') !== text) {
  console.error('kubernetes/packetflix.yaml is not what the chart gives: run "npm run manifests"');
  process.exitCode = 1;
}

function rendered() {
  const options = ['template', NAME, CHART, '--namespace', NAME, '--set', `secret.existing=${NAME}`];
  const helm = outputOf('helm', ['version']) === undefined ? [kubernetesBinary(), 'helm'] : ['helm'];
  const output = outputOf(helm[0], [...helm.slice(1), ...options]);
  if (output === undefined) {
    console.error('there is no Helm: install it, or run "node scripts/setup/kubernetes.mjs", which needs Go');
    process.exit(1);
  }
  // These do not hold for those who use kubectl. Helm also writes an empty line before each object.
  return `${output}\n`
    .replace(/^ *(app\.kubernetes\.io\/managed-by|helm\.sh\/chart): .*\n/gm, '')
    .replace(/^# Source: .*\n/gm, '')
    .replace(/\n+---\n/g, '\n---\n');
}
