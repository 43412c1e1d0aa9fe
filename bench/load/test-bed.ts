import { NetworkNamespace } from '../../test/kit/namespace.js';

/** Room for frames of segmentation offload, 65,000 bytes and more. */
const LARGEST_MTU = 65_535;

/** A network namespace with wires: what is sent into `g0` arrives at `c0`, and so on. Nothing else is in it. */
export class TestBed {
  private constructor(
    readonly namespace: NetworkNamespace,
    readonly wires: number,
  ) {}

  /** @param onMade called with the namespace at once: making many wires takes a while, and may be interrupted */
  static async create(wires: number, onMade: (namespace: NetworkNamespace) => void): Promise<TestBed> {
    const bed = new TestBed(await NetworkNamespace.create(), wires);
    onMade(bed.namespace);
    for (let wire = 0; wire < wires; wire += 1) {
      await bed.namespace.addWire(bed.sending(wire), bed.captured(wire), { mtu: LARGEST_MTU });
    }
    return bed;
  }

  sending(wire = 0): string {
    return `g${wire}`;
  }

  captured(wire = 0): string {
    return `c${wire}`;
  }

  get allCaptured(): string[] {
    return Array.from({ length: this.wires }, (_, wire) => this.captured(wire));
  }
}
