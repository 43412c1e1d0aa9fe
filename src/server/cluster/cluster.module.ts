import {
  Injectable,
  Module,
  type DynamicModule,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { Gauge } from 'prom-client';
import { TokenFile } from '../../shared/token-file.js';
import { ClusterConfig } from '../config/cluster.config.js';
import type { TargetDirectory } from '../discovery/target-directory.js';
import { KubernetesApi } from '../kubernetes/kubernetes-api.js';
import { PodTargetDirectory } from '../kubernetes/pod-target-directory.js';
import { Readiness, type PartReadiness } from '../operations/readiness.js';
import { ServiceMetrics } from '../operations/service-metrics.js';
import { ClusterCaptureProvider } from './cluster-capture-provider.js';
import { ClusterNodes } from './cluster-nodes.js';
import { ClusterTargetDirectory } from './cluster-target-directory.js';
import { readAuthorities } from './node-client.js';

/** Watches the nodes as long as the application runs, and says how many there are. */
@Injectable()
class ClusterWatch implements OnModuleInit, OnModuleDestroy {
  constructor(
    private readonly nodes: ClusterNodes,
    private readonly readiness: Readiness,
    private readonly metrics: ServiceMetrics,
  ) {}

  onModuleInit(): void {
    const { nodes } = this;
    nodes.begin();
    this.readiness.add('nodes', () => this.state());
    new Gauge({
      name: 'packetflix_nodes',
      help: 'Nodes of the cluster, by whether they answer',
      labelNames: ['state'],
      registers: [this.metrics.registry],
      collect(this: Gauge) {
        const missing = nodes.all.filter(({ absence }) => absence).length;
        this.set({ state: 'present' }, nodes.all.length - missing);
        this.set({ state: 'missing' }, missing);
      },
    });
  }

  onModuleDestroy(): void {
    this.nodes.close();
  }

  /** One node is enough: the others are not worse off when this gateway serves. */
  private state(): PartReadiness {
    const { all, state, problems } = this.nodes;
    const present = all.filter(({ absence }) => !absence);
    const count = `${present.length} of ${Math.max(state.addresses, all.length)} nodes answer`;
    return { ready: present.length > 0, message: [count, ...problems].join('; ') };
  }
}

/**
 * The ports of a gateway: the targets of all nodes, and captures on them. Needs `AccessModule`, `OptionsModule` and
 * `OperationsModule`.
 */
@Module({})
export class ClusterModule {
  static forRoot(): DynamicModule {
    return {
      module: ClusterModule,
      global: true,
      providers: [
        ClusterWatch,
        {
          provide: ClusterNodes,
          useFactory: ({ nodes, nodeCaFile }: ClusterConfig, tokenFile: TokenFile | undefined) =>
            new ClusterNodes(nodes, {
              token: () => tokenFile?.current(),
              ...(nodeCaFile !== undefined && { authorities: readAuthorities(nodeCaFile) }),
            }),
          inject: [ClusterConfig, TokenFile],
        },
      ],
      exports: [ClusterNodes],
    };
  }
}

/** For `DiscoveryModule`: in Kubernetes, with what its API knows of pods. */
export const CLUSTER_DIRECTORY = {
  useFactory: (nodes: ClusterNodes, kubernetes: KubernetesApi | undefined): TargetDirectory => {
    const directory = new ClusterTargetDirectory(nodes);
    return kubernetes ? new PodTargetDirectory(directory, kubernetes) : directory;
  },
  inject: [ClusterNodes, KubernetesApi],
};

/** For `CaptureModule`. */
export const CLUSTER_PROVIDER = {
  useFactory: (nodes: ClusterNodes, { mergeWindowMs }: ClusterConfig) =>
    new ClusterCaptureProvider(nodes, mergeWindowMs),
  inject: [ClusterNodes, ClusterConfig],
};
