import type { CaptureSpec, SetSpec, StreamSpec } from '../../shared/protocol/capture-spec.js';
import { MAX_EXCLUSIONS, type NetnsReference, type SetMember } from '../../shared/protocol/capture-spec.js';
import { CaptureError } from '../../shared/protocol/capture-error.js';
import { MAX_SNAPSHOT_LENGTH } from '../../shared/protocol/limits.js';
import { addressLiteral, endpointText } from '../../shared/protocol/tcp-endpoint.js';
import { isRecord } from '../../shared/is-record.js';
import { printable } from '../../shared/printable.js';
import {
  CaptureProvider,
  type Capture,
  type SetCapture,
  type SetObserver,
} from '../capture/capture-provider.js';
import { ClusterCapture } from './cluster-capture.js';
import type { ClusterNode, ClusterNodes } from './cluster-nodes.js';
import { asNodeError } from './node-client.js';

const MAX_MESSAGE_CHARACTERS = 1024;

/** Captures on the nodes of a cluster, by `/capture` of their services. */
export class ClusterCaptureProvider extends CaptureProvider {
  constructor(
    private readonly nodes: ClusterNodes,
    private readonly mergeWindowMs: number,
  ) {
    super();
  }

  override async open(spec: CaptureSpec, signal: AbortSignal): Promise<Capture> {
    const capture = this.newCapture(spec);
    await capture.begin({ id: 0, reference: spec.reference, name: '', description: '' }, signal);
    return capture;
  }

  override async openSet(spec: SetSpec, observer: SetObserver, signal: AbortSignal): Promise<SetCapture> {
    if (spec.filter) await this.refuseInvalidFilter(spec.filter, signal);
    const capture = this.newCapture(spec, observer);
    if ('reference' in spec) {
      await capture.begin({ id: 0, reference: spec.reference, name: '', description: '' }, signal);
    } else {
      capture.beginEmpty();
    }
    return capture;
  }

  /** Any node can tell. */
  override async checkFilter(
    filter: string,
    _client: string,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const node = this.nodes.all.find(({ absence }) => !absence);
    if (!node) throw new CaptureError('discovery-failed', 'no node of the cluster answers');
    let answer;
    try {
      answer = await node.client.checkFilter(filter, signal);
    } catch (cause) {
      signal.throwIfAborted();
      throw new CaptureError('discovery-failed', `node ${node.name}: ${asNodeError(cause).message}`, {
        cause,
      });
    }
    if (!isRecord(answer) || answer['valid'] === true) return undefined;
    return printable(String(answer['message']), MAX_MESSAGE_CHARACTERS);
  }

  /** A set has no members yet that could refuse it. */
  private async refuseInvalidFilter(filter: string, signal: AbortSignal): Promise<void> {
    const problem = await this.checkFilter(filter, '', signal);
    if (problem !== undefined) throw new CaptureError('invalid-filter', problem);
  }

  private newCapture(spec: StreamSpec, observer?: SetObserver): ClusterCapture {
    return new ClusterCapture({
      spec,
      nodes: this.nodes,
      mergeWindowMs: this.mergeWindowMs,
      observer,
      requestStream: (member, node) => node.client.captureRequest(this.parameters(spec, member, node)),
    });
  }

  private parameters(spec: StreamSpec, { reference }: SetMember, node: ClusterNode): URLSearchParams {
    const { interfaces, filter, promiscuous, direction, snapshotLength = MAX_SNAPSHOT_LENGTH } = spec;
    const exclude = this.exclusions(spec, node).join(',');
    return new URLSearchParams({
      container: containerObject(reference),
      ...(interfaces.length > 0 && { nif: interfaces.join('/') }),
      ...(filter && { filter }),
      ...(!promiscuous && { chaste: '' }),
      ...(direction && { direction: '' }),
      ...(snapshotLength < MAX_SNAPSHOT_LENGTH && { snaplen: String(snapshotLength) }),
      ...(exclude && { exclude }),
    });
  }

  /** Where the capture passes: between client and gateway, and between gateway and nodes, that of the capture first. */
  private exclusions(
    { excludedConnections, excludedEndpoints }: StreamSpec,
    { client }: ClusterNode,
  ): readonly string[] {
    const nodes = [client, ...this.nodes.all.map((node) => node.client)].flatMap(
      ({ ipAddress, endpoint: { port } }) =>
        ipAddress === undefined ? [] : endpointText({ address: addressLiteral(ipAddress), port }),
    );
    const here = excludedConnections.flatMap(({ address, port, peerAddress, peerPort }) => [
      endpointText({ address, port }),
      endpointText({ address: peerAddress, port: peerPort }),
    ]);
    const wanted = new Set([...here, ...excludedEndpoints.map(endpointText)]);
    // The node has some of its own. It refuses too many that the client or the operator wants, rather than to record some of them.
    const room = Math.max(wanted.size, MAX_EXCLUSIONS / 2);
    return [...new Set([...wanted, ...nodes])].slice(0, room);
  }
}

/** Verified by the node; a process that has another start time or namespace there is not captured from. */
function containerObject({ netns, pid, startTime }: NetnsReference): string {
  return JSON.stringify({ netns, pid, starttime: startTime });
}
