import { closeSync } from 'node:fs';
import type { CaptureFilter } from '../filter/capture-filter.js';
import type { Interface } from '../interfaces/rtnetlink.js';
import type { Pointer } from '../native/libc.js';
import { LivePcap, type PacketFilter, type PcapOptions } from '../native/libpcap.js';
import type { Opener } from '../opening/opener.js';
import { MAX_SNAPSHOT_LENGTH, type CaptureOrder } from '../protocol.js';
import { Turns } from '../turns.js';
import type { Ring } from './ring-budget.js';

/** DLT_EN10MB: most interfaces are Ethernet, so a filter is compiled for it before any interface is open. */
export const ETHERNET = 1;

/** More would not be faster, and fill the queue of the opener threads, where other captures wait as well. */
const MOST_AT_ONCE = 4;

export interface OpenInterface {
  readonly pcap: LivePcap;
  readonly ring: Ring;
  /** DLT_ value. */
  readonly linkType: number;
  /** What the kernel lets pass must pass this as well. */
  readonly afterwards?: PacketFilter;
}

/** Opens interfaces of one network namespace for one capture. */
export class InterfaceOpener {
  private readonly turns = new Turns(MOST_AT_ONCE);
  private underWay = 0;
  private closed = false;

  /** @param namespaceFd from now on owned by this */
  constructor(
    private readonly opener: Opener,
    private readonly namespaceFd: number,
    private readonly order: Pick<CaptureOrder, 'promiscuous' | 'snapshotLength'>,
    private readonly filter: CaptureFilter,
  ) {}

  /** @throws OpenerError, FilterError */
  async open({ name }: Interface, ring: Ring): Promise<OpenInterface> {
    this.underWay++;
    await this.turns.take();
    try {
      if (this.closed) throw new Error('the capture is over');
      const options = {
        interfaceName: name,
        snapshotLength: MAX_SNAPSHOT_LENGTH,
        promiscuous: this.order.promiscuous,
        ringBytes: ring.bytes,
        blockTimeoutMs: ring.blockTimeoutMs,
      };
      return { ring, ...(await this.openWithFilter(options)) };
    } finally {
      this.turns.done();
      this.underWay--;
      this.closeIfUnused();
    }
  }

  /** Closing a ring takes the kernel as long as opening one. */
  closeRing(handle: Pointer): void {
    this.opener.run('closeInterfaces', [handle]).catch(() => undefined);
  }

  close(): void {
    this.closed = true;
    this.closeIfUnused();
  }

  private async openWithFilter(options: PcapOptions): Promise<Omit<OpenInterface, 'ring'>> {
    const { exclusion } = this.filter;
    let { program, afterwards } = await this.filter.forLinkType(ETHERNET);
    const { handle, linkType } = await this.opener.run('openInterface', {
      namespaceFd: this.namespaceFd,
      options,
      filter: { exclusion, linkType: ETHERNET, program, snapshotLength: this.keptFor(afterwards) },
    });
    try {
      if (linkType !== ETHERNET) {
        ({ program, afterwards } = await this.filter.forLinkType(linkType));
        const snapshotLength = this.keptFor(afterwards);
        await this.opener.run('setFilter', {
          handle,
          filter: { exclusion, linkType, program, snapshotLength },
        });
      }
      return { pcap: new LivePcap(handle), linkType, afterwards };
    } catch (error) {
      this.closeRing(handle);
      throw error;
    }
  }

  /** A filter that runs on what the kernel let pass must see all of it; it is cut later then, see capture-limiter.ts. */
  private keptFor(afterwards: PacketFilter | undefined): number {
    return afterwards ? MAX_SNAPSHOT_LENGTH : (this.order.snapshotLength ?? MAX_SNAPSHOT_LENGTH);
  }

  /** Not while a thread may still want to visit the namespace: the number could stand for another one by then. */
  private closeIfUnused(): void {
    if (this.closed && this.underWay === 0) closeSync(this.namespaceFd);
  }
}
