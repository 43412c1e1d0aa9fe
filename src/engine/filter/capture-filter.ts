import type { CaptureSpec } from '../../shared/protocol/capture-spec.js';
import { PacketFilter } from '../pcap/libpcap.js';
import { REJECT_ALL } from './bpf-program.js';
import { exclusionFilter } from './exclusion-filter.js';
import { FilterError, type FilterCompiler } from './filter-compiler.js';

/**
 * The kernel strips VLAN tags before its filter sees a packet, and libpcap puts them back into what it hands over:
 * a filter that asks for tags must run on that. The word may stand for something else (a host's name): that costs
 * some speed, nothing else.
 */
const ASKS_FOR_VLAN_TAGS = /\bvlan\b/;

/** How the packets of one link type are filtered. */
export interface LinkTypeFilter {
  /** For the kernel; absent: it lets everything pass but the excluded connections. */
  readonly program?: Uint8Array;
  /** For what the kernel let pass. */
  readonly afterwards?: PacketFilter;
  /** Why nothing of this link type can pass: the filter makes no sense for it. */
  readonly error?: FilterError;
}

/** The filter of one capture: compiled once per link type, when first wanted. */
export class CaptureFilter {
  readonly text: string;
  /** Filter text that leaves out whatever carries the capture; of our own making. */
  readonly exclusion: string;
  private readonly byLinkType = new Map<number, Promise<LinkTypeFilter>>();

  constructor(
    { filter, ...excluded }: Pick<CaptureSpec, 'filter' | 'excludedConnections' | 'excludedEndpoints'>,
    private readonly compiler: FilterCompiler,
  ) {
    this.text = filter;
    this.exclusion = exclusionFilter(excluded);
  }

  /**
   * @param linkType a DLT_ value
   * @throws FilterError when it is too expensive to compile, whatever the link type
   */
  forLinkType(linkType: number): Promise<LinkTypeFilter> {
    let compiled = this.byLinkType.get(linkType);
    if (!compiled) {
      compiled = this.text ? this.compile(linkType) : Promise.resolve({});
      compiled.catch(() => undefined); // whoever awaits it gets to know
      this.byLinkType.set(linkType, compiled);
    }
    return compiled;
  }

  private async compile(linkType: number): Promise<LinkTypeFilter> {
    try {
      const program = await this.compiler.compile(this.text, linkType);
      return ASKS_FOR_VLAN_TAGS.test(this.text) ? { afterwards: new PacketFilter(program) } : { program };
    } catch (error) {
      if (!(error instanceof FilterError) || error.tooExpensive) throw error;
      return { program: REJECT_ALL, error };
    }
  }
}
