import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { Addressable } from '../kit/capture-client.js';
import { PROJECT } from '../container/base-images.js';
import type { Cluster } from './cluster.js';

export const NAMESPACE = 'packetflix';
const RELEASE = 'packetflix';
const PORT = 5001;
const CHART = join(PROJECT, 'kubernetes/chart');
/** `docker save` wrote it under this name. */
const IMAGE = [
  '--set',
  'image.repository=docker.io/library/packetflix,image.tag=latest,image.pullPolicy=Never',
];
const TIMEOUT = ['--wait', '--timeout', '60s'];

export interface Pod {
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
  readonly address: string;
}

interface PodList {
  readonly items: readonly {
    readonly metadata: {
      readonly name: string;
      readonly namespace: string;
      readonly deletionTimestamp?: string;
    };
    readonly spec: { readonly nodeName?: string };
    readonly status: {
      readonly podIP?: string;
      readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    };
  }[];
}

/** A gateway or the service on a node, reached without the Kubernetes API. */
export interface ServicePod extends Pod, Addressable {}

/** The chart as it is shipped, installed by Helm in a cluster. */
export class Installation {
  private constructor(private readonly cluster: Cluster) {}

  static async install(cluster: Cluster): Promise<Installation> {
    const label = { 'pod-security.kubernetes.io/enforce': 'privileged' };
    await cluster.apply({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: NAMESPACE, labels: label },
    });
    const installation = new Installation(cluster);
    await installation.upgrade();
    return installation;
  }

  /** Installs the chart, or upgrades it with other values. */
  async upgrade(...values: readonly string[]): Promise<void> {
    const settings = values.flatMap((value) => ['--set', value]);
    const place = ['--namespace', NAMESPACE, ...IMAGE, ...settings, ...TIMEOUT];
    await this.cluster.helm('upgrade', '--install', RELEASE, CHART, ...place);
  }

  async uninstall(): Promise<void> {
    await this.cluster.helm('uninstall', RELEASE, '--namespace', NAMESPACE, ...TIMEOUT);
  }

  /** The content of the Secret, by its keys. */
  async secret(): Promise<Record<string, string>> {
    const path = `/api/v1/namespaces/${NAMESPACE}/secrets/${RELEASE}`;
    const { data } = await this.cluster.api.get<{ data: Record<string, string> }>(path);
    return Object.fromEntries(
      Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
    );
  }

  gateways(): Promise<ServicePod[]> {
    return this.pods('gateway');
  }

  nodes(): Promise<ServicePod[]> {
    return this.pods('node');
  }

  private async pods(component: string): Promise<ServicePod[]> {
    const pods = await podsOf(this.cluster, NAMESPACE, `app.kubernetes.io/component=${component}`);
    const logOf = (pod: Pod): string => this.logOf(pod);
    return pods.map((pod) => ({
      ...pod,
      url: (path, scheme) => `${scheme}://${pod.address}:${PORT}${path}`,
      get log() {
        return logOf(pod);
      },
    }));
  }

  /** Read when a test has failed. */
  private logOf({ namespace, name }: Pod): string {
    const { kubeconfig } = this.cluster;
    const options = ['--kubeconfig', kubeconfig, '--namespace', namespace, 'logs', '--tail=40', name];
    return spawnSync('kubectl', options, { encoding: 'utf8' }).stdout;
  }
}

/** The pods that are ready and not about to end. */
export async function podsOf(cluster: Cluster, namespace: string, selector: string): Promise<Pod[]> {
  const path = `/api/v1/namespaces/${namespace}/pods?labelSelector=${encodeURIComponent(selector)}`;
  const { items } = await cluster.api.get<PodList>(path);
  return items
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .filter(({ status }) =>
      status.conditions?.some((each) => each.type === 'Ready' && each.status === 'True'),
    )
    .map(({ metadata: { name }, spec, status }) => ({
      namespace,
      name,
      node: spec.nodeName ?? '',
      address: status.podIP ?? '',
    }));
}
