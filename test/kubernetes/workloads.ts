import { BUSYBOX_IMAGE } from './busybox-image.js';
import { NAMESPACE } from './installation.js';

/** Where users may capture. */
export const SHOP = 'shop';
/** Where they may not. */
export const BANK = 'bank';
/** The ServiceAccounts of users. */
export const PEOPLE = 'people';
const WEB_SERVER = 'mkdir /tmp/www && exec busybox httpd -f -p 8080 -h /tmp/www';

/** A Deployment `web` with two replicas on two nodes in each of two namespaces. */
export const WORKLOADS: readonly object[] = [
  ...[SHOP, BANK, PEOPLE].map((name) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })),
  webServers(SHOP, 2),
  webServers(BANK, 1),
];

/** A user that may connect to gateways, and capture from the pods of one namespace. */
export function user(name: string, mayCaptureIn: string): object[] {
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace: PEOPLE } };
  return [
    account,
    roleBinding(name, NAMESPACE, 'Role', 'packetflix-connect'),
    roleBinding(name, mayCaptureIn, 'ClusterRole', 'packetflix-capture-pods'),
  ];
}

function roleBinding(user: string, namespace: string, kind: string, role: string): object {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { name: `${user}-${role}`, namespace },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind, name: role },
    subjects: [{ kind: 'ServiceAccount', name: user, namespace: PEOPLE }],
  };
}

function webServers(namespace: string, replicas: number): object {
  const labels = { app: 'web' };
  const container = {
    name: 'web',
    image: BUSYBOX_IMAGE,
    imagePullPolicy: 'Never',
    command: ['busybox', 'sh', '-c', WEB_SERVER],
    ports: [{ containerPort: 8080 }],
    readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
  };
  const onDifferentNodes = {
    maxSkew: 1,
    topologyKey: 'kubernetes.io/hostname',
    whenUnsatisfiable: 'DoNotSchedule',
    labelSelector: { matchLabels: labels },
    // The pods of a rolling update are spread on their own.
    matchLabelKeys: ['pod-template-hash'],
  };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          terminationGracePeriodSeconds: 1,
          topologySpreadConstraints: [onDifferentNodes],
          containers: [container],
        },
      },
    },
  };
}
