import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubernetesApi } from './kubernetes-api.js';
import type { Machine } from './machine.js';

const DOMAIN = 'cluster.local';
const POLL_INTERVAL_MS = 500;
/** Kubernetes puts this label on the slices of Services without an address of their own. */
const SLICES = '/apis/discovery.k8s.io/v1/endpointslices?labelSelector=service.kubernetes.io%2Fheadless';

interface Slices {
  readonly items: readonly {
    readonly metadata: { readonly namespace: string; readonly labels: Readonly<Record<string, string>> };
    readonly endpoints:
      | readonly {
          readonly addresses: readonly string[];
          readonly conditions: { readonly ready?: boolean };
        }[]
      | null;
  }[];
}

/** The name service of the cluster: dnsmasq(8) with the addresses of headless Services, as the API server knows them. */
export class ClusterDns implements AsyncDisposable {
  private readonly stopped = new AbortController();
  private readonly polling: Promise<void>;
  private written = '';

  private constructor(
    private readonly machine: Machine,
    private readonly api: KubernetesApi,
  ) {
    this.polling = this.poll();
  }

  static async start(machine: Machine, api: KubernetesApi): Promise<ClusterDns> {
    writeFileSync(hostsFile(machine), '');
    const isolated = ['--conf-file=/dev/null', '--pid-file=', '--user=root', '--no-resolv', '--no-hosts'];
    const content = [`--addn-hosts=${hostsFile(machine)}`, `--local=/${DOMAIN}/`, '--local-ttl=0'];
    await machine.startProgram('dnsmasq', 'dnsmasq', '--keep-in-foreground', ...isolated, ...content);
    return new ClusterDns(machine, api);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stopped.abort();
    await this.polling;
  }

  private async poll(): Promise<void> {
    const { signal } = this.stopped;
    while (!signal.aborted) {
      // While the API server is away, the last answers stay, as with CoreDNS.
      await this.update().catch(() => undefined);
      await sleep(POLL_INTERVAL_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  private async update(): Promise<void> {
    const { items } = await this.api.get<Slices>(SLICES);
    const lines = items.flatMap(({ metadata: { namespace, labels }, endpoints }) =>
      (endpoints ?? [])
        .filter(({ conditions }) => conditions.ready !== false)
        .flatMap(({ addresses }) => addresses)
        .map((address) => `${address} ${labels['kubernetes.io/service-name']}.${namespace}.svc.${DOMAIN}\n`),
    );
    const hosts = lines.sort().join('');
    if (hosts === this.written) return;
    writeFileSync(hostsFile(this.machine), hosts);
    await this.machine.signalProgram('dnsmasq', 'HUP');
    this.written = hosts;
  }
}

function hostsFile(machine: Machine): string {
  return join(machine.folder, 'hosts');
}
