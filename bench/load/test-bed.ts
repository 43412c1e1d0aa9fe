import { NetworkNamespace } from '../../test/kit/namespace.js';

/** Allows frames as large as those of segmentation offload, 65,000 bytes and more. */
const MAX_MTU = 65_535;

/** A network namespace with veth pairs: what is sent into `g0` arrives at `c0`, and so on. */
export class TestBed {
  private constructor(
    readonly namespace: NetworkNamespace,
    readonly wires: number,
  ) {}

  /** @param onCreated called with the namespace before the veth pairs are added, which takes time and may be interrupted */
  static async create(wires: number, onCreated: (namespace: NetworkNamespace) => void): Promise<TestBed> {
    const bed = new TestBed(await NetworkNamespace.create(), wires);
    onCreated(bed.namespace);
    for (let wire = 0; wire < wires; wire += 1) {
      await bed.namespace.addWire(bed.sending(wire), bed.captured(wire), { mtu: MAX_MTU });
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
