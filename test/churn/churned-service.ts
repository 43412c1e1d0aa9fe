import { startAllThreads } from '../kit/all-processes.js';
import { eventually } from '../kit/eventually.js';
import { heldNamespaces, mappedRings } from '../kit/held-namespaces.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { Random } from '../kit/random.js';
import { type Resources, Service } from '../kit/service.js';
import { Bystander } from '../kit/bystander.js';
import { NamespaceChurn } from './namespace-churn.js';

/** The kernel removes namespaces asynchronously, in batches. */
const REMOVAL_TIMEOUT_MS = 30_000;
const WARM_UP_NAMESPACES = 10;

/** A service, a churn of namespaces, and a bystander that captures from a lasting namespace. */
export class ChurnedService implements AsyncDisposable {
  private constructor(
    readonly service: Service,
    readonly churn: NamespaceChurn,
    readonly bystander: Bystander,
    private readonly witness: NetworkNamespace,
    private readonly made: AsyncDisposableStack,
  ) {}

  static async start(): Promise<ChurnedService> {
    await using made = new AsyncDisposableStack();
    const witness = made.use(await NetworkNamespace.create());
    const service = made.use(await Service.start());
    const bystander = made.use(await Bystander.join(service));
    const random = new Random(Date.now());
    console.info(`churn from seed ${random.seed}`);
    const churn = new NamespaceChurn(service, witness, random);
    return new ChurnedService(service, churn, bystander, witness, made.move());
  }

  /** Starts all processes and threads of the service: each thread opens descriptors that it keeps. */
  async warmUp(): Promise<void> {
    await (await startAllThreads(this.service)).disposeAsync();
    await this.churn.run(WARM_UP_NAMESPACES);
  }

  /** Inodes of the namespaces that the service keeps alive, except that of the bystander. */
  get heldNamespaces(): number[] {
    return heldNamespaces(this.service.processes()).filter((inode) => inode !== this.bystander.netns);
  }

  /** Number of rings of packet sockets, which keep namespaces alive, too. That of the bystander is one of them. */
  get rings(): number {
    return this.service.processes().reduce((sum, { pid }) => sum + mappedRings(pid), 0);
  }

  resources(): Promise<Resources> {
    return this.service.resourcesAtRest();
  }

  /** Waits until the kernel has removed all namespaces of the churn. */
  async allRemoved(): Promise<void> {
    await eventually('the end of all namespaces', async () => !(await this.anyLeft()), REMOVAL_TIMEOUT_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.made.disposeAsync();
  }

  private async anyLeft(): Promise<boolean> {
    return (await this.witness.exec('ip', '-o', 'link')).includes(' w');
  }
}
