import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { DaemonSet, Deployment } from 'kubernetes-types/apps/v1.js';
import type { Container, PodTemplateSpec, Service } from 'kubernetes-types/core/v1.js';
import type { NetworkPolicy } from 'kubernetes-types/networking/v1.js';
import type { ClusterRole, Role } from 'kubernetes-types/rbac/v1.js';
import { readResources, resourceOf, violationsIn } from '../kubernetes/manifest.js';

const PROJECT = resolve(import.meta.dirname, '../..');
const TEXT = readFileSync(join(PROJECT, 'kubernetes/packetflix.yaml'), 'utf8');

describe('The manifest for Kubernetes', () => {
  const resources = readResources(TEXT);
  const daemonSet = resourceOf<DaemonSet>(resources, 'DaemonSet');
  const deployment = resourceOf<Deployment>(resources, 'Deployment');

  it('has no secrets', () => {
    expect(resources.filter(({ kind }) => kind === 'Secret')).toEqual([]);
  });

  it('conforms to the schema of Kubernetes and has no unknown fields', () => {
    expect(violationsIn(resources)).toEqual([]);
  });

  it.each([
    ['an unknown field', 'hostPID: true', 'hostPid: true'],
    ['a field in the wrong place', 'type: RuntimeDefault', 'type: RuntimeDefault\n            hostPID: true'],
    ['a string instead of a number', 'containerPort: 5001', "containerPort: '5001'"],
    ['a boolean instead of a list', 'drop: [ALL]', 'drop: true'],
    ['a missing field', '      port: 5001\n', ''],
    ['a missing selector', /^ {2}selector:\n {4}matchLabels:\n( {6}.*\n)+/m, ''],
  ])('would not conform with %s', (_, right, wrong) => {
    const changed = TEXT.replace(right, wrong);
    expect(changed).not.toBe(TEXT);
    expect(violationsIn(readResources(changed))).not.toEqual([]);
  });

  describe.each<[string, PodTemplateSpec, Record<string, string>, string, string]>([
    ['node', daemonSet.spec!.template, daemonSet.spec!.selector.matchLabels!, 'packetflix-nodes', 'node'],
    ['gateway', deployment.spec!.template, deployment.spec!.selector.matchLabels!, 'packetflix', 'gateway'],
  ])('of a %s', (_, pod, selector, serviceName, component) => {
    const container = pod.spec!.containers[0] as Container;
    const service = resourceOf<Service>(resources, 'Service', serviceName);
    const policy = resourceOf<NetworkPolicy>(resources, 'NetworkPolicy', `packetflix-${component}`);

    it('selects its own pods by their labels', () => {
      expect(pod.metadata?.labels).toMatchObject(selector);
      expect(pod.metadata?.labels).toMatchObject(service.spec!.selector!);
      expect(pod.metadata?.labels).toMatchObject(policy.spec!.podSelector.matchLabels!);
      expect(pod.metadata?.labels).toMatchObject({ 'app.kubernetes.io/component': component });
    });

    it('refers only to ports of the container', () => {
      const named = [
        ...service.spec!.ports!.map(({ targetPort }) => targetPort),
        ...policy.spec!.ingress!.flatMap(({ ports }) => ports!.map(({ port }) => port)),
        ...[container.startupProbe, container.livenessProbe, container.readinessProbe].map(
          (probe) => probe?.httpGet?.port,
        ),
      ];
      expect(new Set(named)).toEqual(new Set(container.ports!.map(({ name }) => name)));
    });

    it('mounts only existing volumes', () => {
      expect(container.volumeMounts!.map(({ name }) => name)).toEqual(
        pod.spec!.volumes!.map(({ name }) => name),
      );
    });
  });

  it('gives nodes no access to the Kubernetes API and not the ticket key', () => {
    expect(daemonSet.spec!.template.spec!.automountServiceAccountToken).toBe(false);
    const secrets = daemonSet.spec!.template.spec!.volumes!.flatMap(({ secret }) => secret ?? []);
    expect(secrets.map(({ items }) => items?.map(({ key }) => key))).toEqual([['token']]);
  });

  it('spells SYS_ADMIN so that the API server accepts it without privilege escalation', () => {
    const { allowPrivilegeEscalation, capabilities } =
      daemonSet.spec!.template.spec!.containers[0]!.securityContext!;
    expect(allowPrivilegeEscalation).toBe(false);
    expect(capabilities!.add!.filter((name) => name.startsWith('CAP_'))).toEqual([]);
  });

  it('permits gateways to list pods and to ask who may do what, and nothing else', () => {
    expect(permissionsOf(resourceOf<ClusterRole>(resources, 'ClusterRole', 'packetflix-gateway'))).toEqual([
      'pods: list watch',
      'tokenreviews: create',
      'subjectaccessreviews: create',
    ]);
  });

  it('has roles for users that permit to connect to gateways and to capture', () => {
    expect(permissionsOf(resourceOf<Role>(resources, 'Role'))).toEqual([
      'pods: get list',
      'services: get list',
      'pods/portforward: create',
    ]);
    for (const what of ['pods', 'nodes']) {
      const role = resourceOf<ClusterRole>(resources, 'ClusterRole', `packetflix-capture-${what}`);
      expect(permissionsOf(role)).toEqual([`${what}/capture: create`]);
    }
  });
});

function permissionsOf({ rules = [] }: Role | ClusterRole): string[] {
  return (rules ?? []).flatMap(({ resources = [], verbs }) =>
    resources.map((each) => `${each}: ${verbs.join(' ')}`),
  );
}
