import { setTimeout as sleep } from 'node:timers/promises';
import { isRecord } from '../../shared/is-record.js';
import type { DirectoryEntry } from '../discovery/target-directory.js';
import { targetKey } from '../discovery/target-changes.js';
import { parseTarget } from '../discovery/mobyshark-client.js';
import { asNodeError, NodeError, type NodeClient, type NodeFacts } from './node-client.js';

/** How often a node is asked for its clock, and with that whether it is there. */
const POLL_MS = 2_000;
const FIRST_RETRY_MS = 250;
const MAX_RETRY_MS = 4_000;
/** More than any host has. */
const MAX_TARGETS = 50_000;

/** What a connection tells its owner. */
export interface NodeConnectionObserver {
  /** The node answers; called with each answer. */
  onAnswer(facts: NodeFacts): void;
  /** The node does not answer. Called with each attempt. @param reason for users */
  onFailure(reason: string): void;
  /** It does not tell its targets. Called with each attempt. @param reason for users */
  onTargetsFailure(reason: string): void;
  /** All targets of the node, without its name. */
  onTargets(targets: readonly DirectoryEntry[]): void;
}

/** Watches the service at one address, until it is closed: whether it answers, its clock and its targets. */
export class NodeConnection {
  private readonly ending = new AbortController();

  constructor(
    readonly client: NodeClient,
    private readonly observer: NodeConnectionObserver,
  ) {
    void this.poll();
    void this.watch();
  }

  close(): void {
    this.ending.abort();
    this.client.close();
  }

  /** Never rejects. */
  private async poll(): Promise<void> {
    const { signal } = this.ending;
    let failures = 0;
    while (!signal.aborted) {
      try {
        this.observer.onAnswer(await this.client.facts(signal));
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        // A connection that was kept alive may have been closed by the node at this moment.
        if (failures++ > 0) this.observer.onFailure(asNodeError(error).message);
      }
      const waitMs = failures === 1 ? 0 : POLL_MS;
      await sleep(waitMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  /** Never rejects. */
  private async watch(): Promise<void> {
    const { signal } = this.ending;
    let retryMs = FIRST_RETRY_MS;
    while (!signal.aborted) {
      try {
        const targets = new Map<string, DirectoryEntry>();
        for await (const { event, data } of this.client.targetEvents(signal)) {
          apply(event, data, targets);
          retryMs = FIRST_RETRY_MS;
          this.observer.onTargets([...targets.values()]);
        }
      } catch (error) {
        if (signal.aborted) return;
        this.observer.onTargetsFailure(`its targets are not known: ${asNodeError(error).message}`);
      }
      await sleep(retryMs, undefined, { signal, ref: false }).catch(() => undefined);
      retryMs = Math.min(2 * retryMs, MAX_RETRY_MS);
    }
  }
}

/** @throws NodeError when the event is not what a node sends */
function apply(event: string, data: string, targets: Map<string, DirectoryEntry>): void {
  let parsed: unknown;
  try {
    parsed = JSON.parse(data);
  } catch (cause) {
    throw new NodeError('an event is not JSON', { cause });
  }
  if (!isRecord(parsed) || !Array.isArray(parsed['targets'])) throw new NodeError('an event has no targets');
  if (event === 'snapshot') targets.clear();
  for (const each of parsed['targets'] as unknown[]) {
    const target = parseTarget(each);
    if (!target) continue; // it must not make the others unavailable
    const key = targetKey({ ...target, starttime: target.startTime });
    if (event === 'removed') targets.delete(key);
    else targets.set(key, target);
  }
  if (targets.size > MAX_TARGETS) throw new NodeError(`it lists more than ${MAX_TARGETS} targets`);
}
