import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { eventually } from '../kit/eventually.js';
import { run } from '../kit/run.js';
import { teardown } from '../kit/teardown.js';
import { BUSYBOX_IMAGE, writeBusyboxImage } from './busybox-image.js';
import { CertificateAuthority } from './certificates.js';
import { ClusterDns } from './cluster-dns.js';
import { KubernetesApi } from './kubernetes-api.js';
import { claimHost, FOLDER, releaseHost } from './host.js';
import { Machine, makeNetwork } from './machine.js';

const NODES = ['node1', 'node2'] as const;
const API_PORT = 6443;
const SERVICE_NETWORK = '10.233.0.0/16';
const API_SERVICE_ADDRESS = '10.233.0.1';
const CONTAINERD_SOCKET = '/run/containerd/containerd.sock';
const CNI_PLUGINS = '/usr/lib/cni';
/** A node is reported as lost after 8 s, where clusters wait for 50 s. */
const NODE_GRACE_S = 8;
const START_TIMEOUT_MS = 90_000;

export type NodeName = (typeof NODES)[number];

/** The users of the cluster with their groups; each one's token is its name, which only this host can use. */
const USERS: Readonly<Record<string, string>> = {
  admin: 'system:masters',
  'system:kube-controller-manager': '',
  'system:kube-scheduler': '',
  'system:kube-proxy': '',
  'system:node:node1': 'system:nodes',
  'system:node:node2': 'system:nodes',
};

/**
 * A real Kubernetes: a machine for the control plane and two nodes, each with kubelet, containerd and kube-proxy. Pods have the
 * network 10.232.N.0/24 of their node, which this host reaches, too.
 */
export class Cluster implements AsyncDisposable {
  private readonly inUse = new AsyncDisposableStack();
  private readonly nodes = new Map<NodeName, Machine>();
  private controlPlane!: Machine;
  private authority!: CertificateAuthority;
  api!: KubernetesApi;

  private constructor(private readonly binary: string) {}

  /** @param images files in the format of `docker save`, which are loaded on both nodes */
  static async start(binary: string, images: readonly string[]): Promise<Cluster> {
    await claimHost();
    const cluster = new Cluster(binary);
    try {
      await cluster.bootstrap(images);
      return cluster;
    } catch (cause) {
      const { logs } = cluster;
      await cluster[Symbol.asyncDispose]();
      throw new Error(`the cluster did not start:\n${logs}`, { cause });
    }
  }

  get kubeconfig(): string {
    return this.kubeconfigOf('admin');
  }

  /** Returns the path of a kubeconfig for a user who has this token. */
  writeKubeconfig(user: string, token: string): string {
    const cluster = { server: this.api.address, 'certificate-authority': this.api.certificateFile };
    const kubeconfig = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'test',
      clusters: [{ name: 'test', cluster }],
      users: [{ name: user, user: { token } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user } }],
    };
    writeFileSync(this.kubeconfigOf(user), stringify(kubeconfig));
    return this.kubeconfigOf(user);
  }

  /** For the messages of failing tests. */
  get logs(): string {
    return [this.controlPlane, ...this.nodes.values()].map((machine) => machine?.logs ?? '').join('\n');
  }

  kubectl(...args: readonly string[]): Promise<string> {
    return run('kubectl', '--kubeconfig', this.kubeconfig, ...args);
  }

  async apply(...resources: readonly object[]): Promise<void> {
    const file = join(FOLDER, 'applied.yaml');
    writeFileSync(file, resources.map((resource) => stringify(resource)).join('---\n'));
    await this.kubectl('apply', '--filename', file);
  }

  helm(...args: readonly string[]): Promise<string> {
    return run('env', `KUBECONFIG=${this.kubeconfig}`, `HOME=${FOLDER}`, this.binary, 'helm', ...args);
  }

  async killKubelet(name: NodeName): Promise<void> {
    await this.node(name).killProgram('kubelet');
    await eventually(`${name} to be lost`, async () => !(await this.isReady(name)), 60_000);
  }

  async startKubelet(name: NodeName): Promise<void> {
    const machine = this.node(name);
    const config = join(machine.folder, 'kubelet.yaml');
    writeFileSync(config, stringify(this.kubeletConfig(machine)));
    const identity = [`--hostname-override=${name}`, `--node-ip=${machine.address}`];
    const files = [`--config=${config}`, `--kubeconfig=${this.kubeconfigOf(`system:node:${name}`)}`];
    const data = `--root-dir=${machine.folder}/kubelet`;
    await machine.startProgram('kubelet', this.binary, 'kubelet', ...files, ...identity, data);
    await eventually(`${name} to be ready`, () => this.isReady(name), START_TIMEOUT_MS);
  }

  killApiServer(): Promise<void> {
    return this.controlPlane.killProgram('kube-apiserver');
  }

  async startApiServer(): Promise<void> {
    const [ca, accounts] = [this.authority.certificate('ca'), this.authority.key('accounts')];
    const files = {
      'tls-cert-file': this.authority.certificate('api-server'),
      'tls-private-key-file': this.authority.key('api-server'),
      'client-ca-file': ca,
      'token-auth-file': join(FOLDER, 'tokens.csv'),
      'kubelet-client-certificate': this.authority.certificate('kubelet-client'),
      'kubelet-client-key': this.authority.key('kubelet-client'),
      'kubelet-certificate-authority': ca,
      'service-account-key-file': accounts,
      'service-account-signing-key-file': accounts,
    };
    await this.startComponent('kube-apiserver', {
      ...files,
      'etcd-servers': 'http://127.0.0.1:2379',
      'secure-port': API_PORT,
      'advertise-address': this.controlPlane.address,
      'kubelet-preferred-address-types': 'InternalIP',
      'service-account-issuer': 'https://kubernetes.default.svc',
      'service-cluster-ip-range': SERVICE_NETWORK,
      'authorization-mode': 'Node,RBAC',
      'enable-admission-plugins': 'NodeRestriction',
      // The node pods need no privileged containers.
      'allow-privileged': false,
      profiling: false,
    });
    const ready = async (): Promise<boolean> => (await this.api.get('/readyz')) === 'ok';
    await eventually('the API server to be ready', ready, START_TIMEOUT_MS);
  }

  /** Everything ends, even if nothing answers any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    await teardown(
      'the cluster',
      () => this.inUse.disposeAsync(),
      () => releaseHost(process.pid),
    );
  }

  private async bootstrap(images: readonly string[]): Promise<void> {
    await makeNetwork();
    this.controlPlane = this.inUse.use(
      await Machine.start('control-plane', 10, join(FOLDER, 'control-plane')),
    );
    for (const [index, name] of NODES.entries()) {
      this.nodes.set(name, this.inUse.use(await Machine.start(name, 11 + index, join(FOLDER, name))));
    }
    await this.addPodRoutes();
    await this.makeCredentials();
    const busybox = join(FOLDER, 'busybox.tar');
    await writeBusyboxImage(busybox);
    await Promise.all([
      this.startControlPlane(),
      ...NODES.map((name) => this.startContainerd(this.node(name), [busybox, ...images])),
    ]);
    this.inUse.use(await ClusterDns.start(this.controlPlane, this.api));
    await Promise.all(NODES.map((name) => this.startNode(name)));
  }

  private node(name: NodeName): Machine {
    const machine = this.nodes.get(name);
    if (!machine) throw new Error(`${name} has not been started`);
    return machine;
  }

  private async addPodRoutes(): Promise<void> {
    for (const [index, name] of NODES.entries()) {
      const route = [`10.232.${index + 1}.0/24`, 'via', this.node(name).address];
      await run('ip', 'route', 'add', ...route);
      for (const machine of [this.controlPlane, ...this.nodes.values()]) {
        if (machine.name !== name) await machine.exec('ip', 'route', 'add', ...route);
      }
    }
  }

  private async makeCredentials(): Promise<void> {
    const folder = join(FOLDER, 'credentials');
    this.authority = await CertificateAuthority.create(folder);
    const address = `IP:${this.controlPlane.address}`;
    await this.authority.issue('api-server', '/CN=kube-apiserver', [address, `IP:${API_SERVICE_ADDRESS}`]);
    await this.authority.issue('kubelet-client', '/O=system:masters/CN=kube-apiserver', []);
    for (const { name, address: node } of this.nodes.values()) {
      await this.authority.issue(name, `/CN=${name}`, [`IP:${node}`]);
    }
    await this.authority.makeKey('accounts');
    const tokens = Object.entries(USERS).map(([name, group]) => `${name},${name},${name},"${group}"\n`);
    writeFileSync(join(FOLDER, 'tokens.csv'), tokens.join(''));
    const server = `https://${this.controlPlane.address}:${API_PORT}`;
    this.api = new KubernetesApi(server, this.authority.certificate('ca'), 'admin');
    for (const name of Object.keys(USERS)) this.writeKubeconfig(name, name);
  }

  private kubeconfigOf(user: string): string {
    return join(FOLDER, 'credentials', `${user}.kubeconfig`);
  }

  private async startControlPlane(): Promise<void> {
    // Data of tests need not survive a power failure.
    await this.startComponent('etcd', { 'data-dir': join(FOLDER, 'etcd'), 'unsafe-no-fsync': true });
    await this.startApiServer();
    await this.startComponent('kube-controller-manager', {
      ...this.authentication('system:kube-controller-manager'),
      'leader-elect': false,
      'use-service-account-credentials': true,
      'service-account-private-key-file': this.authority.key('accounts'),
      'root-ca-file': this.authority.certificate('ca'),
      'allocate-node-cidrs': false,
      'node-monitor-period': '1s',
      'node-monitor-grace-period': `${NODE_GRACE_S}s`,
    });
    await this.startComponent('kube-scheduler', {
      ...this.authentication('system:kube-scheduler'),
      'leader-elect': false,
    });
  }

  private authentication(user: string): Record<string, string> {
    const options = ['kubeconfig', 'authentication-kubeconfig', 'authorization-kubeconfig'];
    return Object.fromEntries(options.map((option) => [option, this.kubeconfigOf(user)]));
  }

  private startComponent(name: string, options: Readonly<Record<string, unknown>>): Promise<void> {
    const flags = Object.entries(options).map(([option, value]) => `--${option}=${String(value)}`);
    return this.controlPlane.startProgram(name, this.binary, name, ...flags);
  }

  private async startContainerd(machine: Machine, images: readonly string[]): Promise<void> {
    const config = join(machine.folder, 'containerd.toml');
    writeFileSync(config, containerdConfig(machine.folder));
    const network = join(machine.folder, 'network');
    mkdirSync(network);
    writeFileSync(join(network, '10-bridge.conflist'), JSON.stringify(this.podNetwork(machine)));
    await machine.startProgram('containerd', 'containerd', '--config', config);
    await eventually('containerd to answer', () => machine.exec('ctr', 'version'), START_TIMEOUT_MS);
    for (const image of images) await machine.exec('ctr', '--namespace', 'k8s.io', 'images', 'import', image);
  }

  private podNetwork(machine: Machine): object {
    const ipam = {
      type: 'host-local',
      dataDir: join(machine.folder, 'addresses'),
      ranges: [[{ subnet: `10.232.${this.numberOf(machine)}.0/24` }]],
      routes: [{ dst: '0.0.0.0/0' }],
    };
    const bridge = { type: 'bridge', bridge: 'cni0', isGateway: true, ipMasq: false, ipam };
    return { cniVersion: '0.4.0', name: 'pods', plugins: [bridge] };
  }

  private numberOf({ name }: Machine): number {
    return NODES.indexOf(name as NodeName) + 1;
  }

  private async startNode(name: NodeName): Promise<void> {
    await this.startKubelet(name);
    const machine = this.node(name);
    const config = {
      apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
      kind: 'KubeProxyConfiguration',
      clientConnection: { kubeconfig: this.kubeconfigOf('system:kube-proxy') },
      hostnameOverride: name,
      mode: 'iptables',
      iptables: { masqueradeAll: true },
      // These parameters belong to the host.
      conntrack: { maxPerCore: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
    };
    const file = join(machine.folder, 'kube-proxy.yaml');
    writeFileSync(file, stringify(config));
    await machine.startProgram('kube-proxy', this.binary, 'kube-proxy', `--config=${file}`);
  }

  private kubeletConfig({ name, folder, address, cgroup }: Machine): object {
    return {
      apiVersion: 'kubelet.config.k8s.io/v1beta1',
      kind: 'KubeletConfiguration',
      address,
      authentication: {
        anonymous: { enabled: false },
        webhook: { enabled: true },
        x509: { clientCAFile: this.authority.certificate('ca') },
      },
      authorization: { mode: 'Webhook' },
      tlsCertFile: this.authority.certificate(name),
      tlsPrivateKeyFile: this.authority.key(name),
      containerRuntimeEndpoint: `unix://${CONTAINERD_SOCKET}`,
      cgroupDriver: 'cgroupfs',
      cgroupRoot: cgroup,
      failSwapOn: false,
      failCgroupV1: false,
      clusterDNS: [this.controlPlane.address],
      clusterDomain: 'cluster.local',
      resolvConf: '',
      podLogsDir: join(folder, 'pod-logs'),
      volumePluginDir: join(folder, 'volume-plugins'),
      imageGCHighThresholdPercent: 100,
      evictionHard: { 'memory.available': '50Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
      localStorageCapacityIsolation: false,
      nodeStatusUpdateFrequency: '2s',
      nodeLeaseDurationSeconds: NODE_GRACE_S,
    };
  }

  private async isReady(name: NodeName): Promise<boolean> {
    const { status } = await this.api.get<{
      status: { conditions: { type: string; status: string }[] };
    }>(`/api/v1/nodes/${name}`);
    return status.conditions.some((each) => each.type === 'Ready' && each.status === 'True');
  }
}

function containerdConfig(folder: string): string {
  return `version = 2
root = "${folder}/containerd"
state = "/run/containerd"
[grpc]
  address = "${CONTAINERD_SOCKET}"
[plugins."io.containerd.internal.v1.opt"]
  path = "${folder}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  netns_mounts_under_state_dir = true
  sandbox_image = "${BUSYBOX_IMAGE}"
  # Hosts without AppArmor or SELinux have no profiles to load.
  enable_selinux = false
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${CNI_PLUGINS}"
    conf_dir = "${folder}/network"
`;
}
