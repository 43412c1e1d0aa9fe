import type { StreamSpec, TcpConnection, TcpEndpoint } from '../../shared/protocol/capture-spec.js';
import { PacketFilter } from '../pcap/libpcap.js';
import { REJECT_ALL } from './bpf-program.js';
import type { Beneficiary } from '../beneficiary.js';
import { FilterError, type Compiler } from './filter-compiler.js';

/**
 * The kernel strips VLAN tags before its filter sees a packet, and both readers put them back: a filter that tests for tags
 * must run after that. If the word means something else in a filter, such as a host name, that only costs speed.
 */
const TESTS_VLAN_TAGS = /\bvlan\b/;

/** How the packets of one link type are filtered. */
export interface LinkTypeFilter {
  /** For the kernel; absent: it rejects only the excluded connections. */
  readonly program?: Uint8Array;
  /** For the packets that the kernel accepts. */
  readonly afterwards?: PacketFilter;
  /** Why no packet of this link type can pass: the filter does not apply to it. */
  readonly error?: FilterError;
}

/** The filter of one capture, compiled once per link type when it is first needed. */
export class CaptureFilter {
  readonly text: string;
  /** Text of a filter that rejects the connections which carry the capture; empty: none. */
  readonly exclusion: string;
  private readonly byDlt = new Map<number, Promise<LinkTypeFilter>>();

  constructor(
    { filter, ...excluded }: Pick<StreamSpec, 'filter' | 'excludedConnections' | 'excludedEndpoints'>,
    private readonly compiler: Compiler,
    private readonly beneficiary: Beneficiary,
  ) {
    this.text = filter;
    this.exclusion = exclusionFilter(excluded);
  }

  /**
   * @param dlt a DLT_ value
   * @throws FilterError when it is too expensive to compile, whatever the link type
   */
  forDlt(dlt: number): Promise<LinkTypeFilter> {
    let compiled = this.byDlt.get(dlt);
    if (!compiled) {
      compiled = this.text ? this.compile(dlt) : Promise.resolve({});
      compiled.catch(() => undefined); // all who await it get the error
      this.byDlt.set(dlt, compiled);
    }
    return compiled;
  }

  private async compile(dlt: number): Promise<LinkTypeFilter> {
    try {
      const { client, signal } = this.beneficiary;
      const program = await this.compiler.compile(this.text, dlt, client, signal);
      return TESTS_VLAN_TAGS.test(this.text) ? { afterwards: new PacketFilter(program) } : { program };
    } catch (error) {
      if (!(error instanceof FilterError) || error.tooExpensive) throw error;
      return { program: REJECT_ALL, error };
    }
  }
}

/**
 * Text of a filter that rejects the packets of some TCP connections, and of all TCP connections of some endpoints, in
 * both directions; empty without any. It consists of validated numbers and addresses, so any process may compile it.
 */
export function exclusionFilter({
  excludedConnections,
  excludedEndpoints,
}: Pick<StreamSpec, 'excludedConnections' | 'excludedEndpoints'>): string {
  return [...excludedConnections.map(connectionFilter), ...excludedEndpoints.map(endpointFilter)]
    .map((excluded) => `not (tcp and (${excluded}))`)
    .join(' and ');
}

function connectionFilter({ address, port, peerAddress, peerPort }: TcpConnection): string {
  const there = `src host ${address} and src port ${port} and dst host ${peerAddress} and dst port ${peerPort}`;
  const back = `src host ${peerAddress} and src port ${peerPort} and dst host ${address} and dst port ${port}`;
  return `(${there}) or (${back})`;
}

/** Address and port must be of the same side: `host A and port P` matches connections of A to any port P, too. */
function endpointFilter({ address, port }: TcpEndpoint): string {
  if (address === undefined) return `port ${port}`;
  if (port === undefined) return `host ${address}`;
  return `(src host ${address} and src port ${port}) or (dst host ${address} and dst port ${port})`;
}
