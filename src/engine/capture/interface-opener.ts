import { MAX_SNAPSHOT_LENGTH } from '../../shared/protocol/limits.js';
import { closeSync } from 'node:fs';
import type { Beneficiary } from '../beneficiary.js';
import type { CaptureFilter, LinkTypeFilter } from '../filter/capture-filter.js';
import type { Interface } from '../../shared/linux/rtnetlink.js';
import { PacketFilter } from '../pcap/libpcap.js';
import type { FilterPlace, InterfaceFilter, InterfaceOpening, OpenSource } from '../opener/opener-tasks.js';
import { MAX_OPENER_THREADS, type Opener } from '../opener/opener.js';
import { PcapPacketReader } from '../pcap/pcap-packet-reader.js';
import type { PacketReader } from './interface-source.js';
import { RingPacketReader } from '../ring/ring-packet-reader.js';
import type { PacketMethod } from '../../shared/protocol/protocol.js';
import type { StreamSpec } from '../../shared/protocol/capture-spec.js';
import { logDefect } from '../log.js';
import { Semaphore } from '../semaphore.js';
import type { RingParameters } from './ring-budget.js';

/** Ethernet, as most interfaces are: a filter is compiled for it before any interface is open. */
export const DLT_EN10MB = 1;

export interface OpenInterface {
  readonly reader: PacketReader;
  readonly ring: RingParameters;
  /** DLT_ value. */
  readonly dlt: number;
}

/** Opens interfaces of one network namespace for one capture. */
export class InterfaceOpener {
  private readonly semaphore = new Semaphore(MAX_OPENER_THREADS);
  private pending = 0;
  private closed = false;

  /** @param namespaceFd from now on owned by this */
  constructor(
    private readonly opener: Opener,
    private readonly namespaceFd: number,
    private readonly spec: Pick<StreamSpec, 'promiscuous' | 'snapshotLength' | 'direction'>,
    private readonly filter: CaptureFilter,
    private readonly method: PacketMethod,
    private readonly beneficiary: Beneficiary,
  ) {}

  /**
   * @param takeRing called when it is the turn of this interface
   * @throws OpenerError, FilterError, the reason of the beneficiary's signal, and what `takeRing` throws
   */
  async open(
    { index, name, maxPacketBytes }: Interface,
    takeRing: () => Promise<RingParameters>,
  ): Promise<OpenInterface> {
    this.pending++;
    await this.semaphore.acquire();
    try {
      const ring = await takeRing();
      const options = {
        interfaceName: name,
        interfaceIndex: index,
        maxPacketBytes,
        snapshotLength: MAX_SNAPSHOT_LENGTH,
        promiscuous: this.spec.promiscuous,
        ringBytes: ring.bytes,
        blockTimeoutMs: ring.blockTimeoutMs,
      };
      return { ring, ...(await this.openWithFilter(options)) };
    } finally {
      this.semaphore.release();
      this.pending--;
      this.closeIfUnused();
    }
  }

  /** In an opener thread, because closing blocks as long as opening. Resolves when the kernel has freed the ring. */
  async closeSource(source: OpenSource): Promise<void> {
    try {
      const { client } = this.beneficiary;
      await this.opener.run('closeInterfaces', [source], { client });
    } catch (error) {
      logDefect('an interface cannot be closed', error);
    }
  }

  close(): void {
    this.closed = true;
    this.closeIfUnused();
  }

  private async openWithFilter(options: InterfaceOpening['options']): Promise<Omit<OpenInterface, 'ring'>> {
    let filter = await this.filter.forDlt(DLT_EN10MB);
    const { beneficiary } = this;
    const opening = {
      namespaceFd: this.namespaceFd,
      method: this.method,
      options,
      filter: this.forKernel(DLT_EN10MB, filter),
    };
    const opened = await this.opener.run('openInterface', opening, beneficiary);
    const { source, dlt } = opened;
    let { filterPlace } = opened;
    try {
      if (dlt !== DLT_EN10MB) {
        filter = await this.filter.forDlt(dlt);
        const setting = { source, filter: this.forKernel(dlt, filter) };
        filterPlace = await this.opener.run('setFilter', setting, beneficiary);
      }
      return {
        dlt,
        reader: readerOf(source, leftToReader(filter, filterPlace), this.spec.direction ?? false),
      };
    } catch (error) {
      await this.closeSource(source);
      throw error;
    }
  }

  private forKernel(dlt: number, { program, afterwards }: LinkTypeFilter): InterfaceFilter {
    const { snapshotLength = MAX_SNAPSHOT_LENGTH } = this.spec;
    return {
      exclusion: this.filter.exclusion,
      dlt,
      program,
      // A filter that runs after the kernel's must see whole packets; CaptureLimiter truncates them later.
      snapshotLength: afterwards ? MAX_SNAPSHOT_LENGTH : snapshotLength,
    };
  }

  /** Not while a thread may still enter the namespace: the number could refer to another one by then. */
  private closeIfUnused(): void {
    if (this.closed && this.pending === 0) closeSync(this.namespaceFd);
  }
}

function readerOf(source: OpenSource, filter: PacketFilter | undefined, direction: boolean): PacketReader {
  return source.kind === 'ring'
    ? new RingPacketReader(source.ring, filter, direction)
    : new PcapPacketReader(source.handle, filter, direction);
}

function leftToReader({ program, afterwards }: LinkTypeFilter, place: FilterPlace): PacketFilter | undefined {
  return afterwards ?? (place === 'reader' && program ? new PacketFilter(program) : undefined);
}
