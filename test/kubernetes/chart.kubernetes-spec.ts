import type { DaemonSet, Deployment } from 'kubernetes-types/apps/v1.js';
import type { NetworkPolicy } from 'kubernetes-types/networking/v1.js';
import type { ClusterRole, Role } from 'kubernetes-types/rbac/v1.js';
import { join } from 'node:path';
import { PROJECT } from '../container/base-images.js';
import { run } from '../kit/run.js';
import { BINARY, describeWithHelm } from './describe-with-cluster.js';
import { readResources, type Resource, resourceOf, violationsIn } from './manifest.js';

const CHART = join(PROJECT, 'kubernetes/chart');

describeWithHelm('The Helm chart', () => {
  const helm = (...args: readonly string[]): Promise<string> => run(BINARY, 'helm', ...args);
  const settings = (values: readonly string[]): string[] => values.flatMap((value) => ['--set-json', value]);

  async function render(...values: readonly string[]): Promise<Resource[]> {
    const options = ['--namespace', 'capture', ...settings(values)];
    return readResources(await helm('template', 'release', CHART, ...options));
  }

  it('passes helm lint', async () => {
    await expect(helm('lint', '--strict', CHART)).resolves.toContain('0 chart(s) failed');
  });

  it('is what kubernetes/packetflix.yaml was made from', async () => {
    await run(process.execPath, join(PROJECT, 'tools/manifests.mjs'), '--check');
  });

  it.each([
    ['the defaults', []],
    ['a Secret that exists', ['secret.existing="mine"']],
    ['a token for all', ['gateway.authorize="token"']],
    ['no authorization', ['gateway.authorize="none"']],
    ['no policy and no roles', ['networkPolicy.enabled=false', 'rbac.userRoles=false']],
    ['clients', ['networkPolicy.clients=[{"podSelector":{}}]', 'networkPolicy.collectors=[]']],
    [
      'options, names and places',
      [
        'nodes.options={"PACKETFLIX_DEBUG":true}',
        'gateway.allowedHosts=["a.example","b.example"]',
        'imagePullSecrets=[{"name":"mine"}]',
        'nodes.nodeSelector={"zone":"a"}',
        'gateway.tolerations=[{"operator":"Exists"}]',
        'nodes.priorityClassName="high"',
        'gateway.service.annotations={"a":"b"}',
      ],
    ],
  ])('conforms to the schema of Kubernetes with %s', async (_, values) => {
    expect(violationsIn(await render(...values))).toEqual([]);
  });

  it.each([
    ['an unknown value', 'gateways.replicas=2', /gateways/],
    ['a value of another type', 'gateway.replicas="two"', /replicas/],
    ['an authorization that does not exist', 'gateway.authorize="ldap"', /authorize/],
    ['an option that the chart sets', 'nodes.options={"PACKETFLIX_NODES":"x"}', /options/],
    ['an option that is none', 'nodes.options={"DEBUG":true}', /options/],
    ['a peer that selects nothing', 'networkPolicy.clients=[{}]', /clients/],
    ['a privileged seccomp profile', 'nodes.seccompProfile.type="Unconfined"', /seccompProfile/],
  ])('refuses %s', async (_, value, reason) => {
    await expect(render(value)).rejects.toThrow(reason);
  });

  it('finds the nodes by the name of their Service in the namespace of the release', async () => {
    const resources = await render('clusterDomain="example.org"');
    const { env } = resourceOf<Deployment>(resources, 'Deployment').spec!.template.spec!.containers[0]!;
    expect(env).toContainEqual({
      name: 'PACKETFLIX_NODES',
      value: 'dns:release-nodes.capture.svc.example.org:5001',
    });
    resourceOf(resources, 'Service', 'release-nodes');
  });

  it('gives options that are no strings as strings', async () => {
    const resources = await render('nodes.options={"PACKETFLIX_DEBUG":true,"PACKETFLIX_RING_MEMORY":1024}');
    const { env } = resourceOf<DaemonSet>(resources, 'DaemonSet').spec!.template.spec!.containers[0]!;
    expect(env).toContainEqual({ name: 'PACKETFLIX_DEBUG', value: 'true' });
    expect(env).toContainEqual({ name: 'PACKETFLIX_RING_MEMORY', value: '1024' });
  });

  it('admits nobody to the gateways without clients and collectors', async () => {
    const resources = await render('networkPolicy.collectors=[]');
    const { spec } = resourceOf<NetworkPolicy>(resources, 'NetworkPolicy', 'release-gateway');
    expect(spec).toMatchObject({ policyTypes: ['Ingress'], ingress: [] });
  });

  it('asks for fewer rights where Kubernetes does not decide who may capture', async () => {
    const resources = await render('gateway.authorize="none"');
    const { rules } = resourceOf<ClusterRole>(resources, 'ClusterRole', 'release-gateway');
    expect(rules?.map((rule) => rule.resources)).toEqual([['pods']]);
    expect(resourceOf<Role>(resources, 'Role').rules).toContainEqual({
      apiGroups: [''],
      resources: ['services/proxy'],
      verbs: ['get'],
    });
  });

  it('has a PodMonitor for the Prometheus operator if asked', async () => {
    const resources = await render('podMonitor.enabled=true', 'podMonitor.labels={"team":"net"}');
    expect(resourceOf(resources, 'PodMonitor')).toMatchObject({
      metadata: { labels: { team: 'net' } },
      spec: { podMetricsEndpoints: [{ port: 'operator', path: '/metrics', interval: '30s' }] },
    });
  });
});
