import type { NamespaceHolder } from '../shared/linux/namespace-holders.js';
import { readProcessTable } from './process-table.js';
import { ContainerMembership } from './runtimes/cgroup.js';
import { Claims } from './runtimes/claims.js';
import type { Runtimes } from './runtimes/runtimes.js';
import { SourceBudget } from './source-budget.js';
import {
  containerTargets,
  mountTargets,
  prefixesOf,
  processTargets,
  type MountTarget,
  type ProcessTarget,
  type Target,
} from './targets.js';

/** Returns the names of the interfaces of a namespace that are up; undefined: the holder no longer holds it. */
export type InterfaceNames = (
  procRoot: string,
  netns: number,
  holder: NamespaceHolder,
) => readonly string[] | undefined;

export interface ScanOptions {
  readonly procRoot: string;
  readonly runtimes: Runtimes;
  readonly interfaceNames: InterfaceNames;
  /** Process id of our supervisor. */
  readonly supervisor: number;
}

export interface ScanResult {
  readonly targets: readonly Target[];
  /** Sentences for the operator about what could not be scanned. */
  readonly problems: readonly string[];
}

/** Half of what the server accepts. */
const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;
/** Of the attributes of a target that have a fixed length. */
const OTHER_BYTES = 128;

/** Scans the host once for capture targets. */
export async function scan(options: ScanOptions): Promise<ScanResult> {
  const { procRoot, runtimes, supervisor } = options;
  const table = readProcessTable(procRoot);
  const membership = new ContainerMembership(procRoot, table);
  const claims = new Claims(procRoot, membership);
  const files = new SourceBudget(500, 1_500);
  const found = await runtimes.findContainers(procRoot, table, membership, claims, files);
  const { containers } = found;
  const prefixes = prefixesOf(containers, membership);
  const problems = [...found.problems];
  const interfaces = new InterfaceLists(options);
  const targets = [
    ...containerTargets(containers, claims, prefixes),
    ...processTargets(table, membership, claims, containers, supervisor),
    ...mountTargets(procRoot, table, claims, prefixes, files),
  ];
  const described = targets.flatMap((target) => {
    const names = interfaces.of(target);
    return names ? [{ source: target.source, target: describe(target, names) }] : [];
  });
  return { targets: shareDocument(described, problems), problems };
}

/** Encodes a result like GhostWire's `/mobyshark`: as JSON in UTF-8, in a buffer of its own. */
export function encodeResult({ targets, problems }: ScanResult): Uint8Array<ArrayBuffer> {
  // GhostWire's clients ignore unknown metadata.
  const metadata = problems.length > 0 ? { problems } : {};
  return new TextEncoder().encode(JSON.stringify({ metadata, containers: targets }));
}

function describe(target: ProcessTarget | MountTarget, names: readonly string[]): Target {
  const { name, type, netns, prefix } = target;
  const { pid, startTime } = 'process' in target ? target.process : { pid: 0, startTime: 0 };
  const { labels, image } = target.details ?? {};
  return {
    name,
    type,
    netns,
    'network-interfaces': names,
    pid,
    starttime: startTime,
    prefix,
    ...(labels && { labels }),
    ...(image && { image }),
  };
}

/** The interfaces of the namespaces. Targets may share a namespace: each is visited once. */
class InterfaceLists {
  private readonly known = new Map<number, readonly string[]>();
  private readonly budget = new SourceBudget(1_000, 2_000);

  constructor(private readonly options: ScanOptions) {}

  /** @returns undefined when the target has ended; no names when its source has too many namespaces or interfaces */
  of(target: ProcessTarget | MountTarget): readonly string[] | undefined {
    const { netns, source } = target;
    const known = this.known.get(netns);
    if (known) return known;
    if (!this.budget.hasTime(source)) return [];
    const beginMs = performance.now();
    const names = this.read(target);
    this.budget.count(source, beginMs);
    if (names) this.known.set(netns, names);
    return names;
  }

  private read(target: ProcessTarget | MountTarget): readonly string[] | undefined {
    const { procRoot, interfaceNames } = this.options;
    const holders: readonly NamespaceHolder[] =
      'process' in target ? [{ kind: 'process', pid: target.process.pid }] : target.mounts;
    for (const holder of holders) {
      const names = interfaceNames(procRoot, target.netns, holder);
      if (names) return names;
    }
    return undefined;
  }
}

interface SourcedTarget {
  readonly source: string;
  readonly target: Target;
}

/**
 * Leaves out targets of the containers and users that have the most when the document becomes too long for the server. What
 * one of them does costs only its own targets.
 */
function shareDocument(targets: readonly SourcedTarget[], problems: string[]): Target[] {
  const bytesBySource = new Map<string, number>();
  for (const { source, target } of targets) {
    bytesBySource.set(source, (bytesBySource.get(source) ?? 0) + bytesOf(target));
  }
  const share = fairShare([...bytesBySource.values()], MAX_DOCUMENT_BYTES);
  const used = new Map<string, number>();
  const kept = targets.filter(({ source, target }) => {
    const bytes = (used.get(source) ?? 0) + bytesOf(target);
    used.set(source, bytes);
    return bytes <= share;
  });
  if (kept.length < targets.length) {
    problems.push(
      `cannot list ${targets.length - kept.length} targets: those of some containers or users are too many`,
    );
  }
  return kept.map(({ target }) => target);
}

function bytesOf({ name, prefix, 'network-interfaces': interfaces, ...others }: Target): number {
  const { labels, image } = others;
  // In JSON, a control character takes six bytes.
  const textBytes = Buffer.byteLength(JSON.stringify([name, prefix, labels, image]));
  return textBytes + OTHER_BYTES + interfaces.reduce((sum, each) => sum + Buffer.byteLength(each) + 3, 0);
}

/** The largest share by which the sum of all that ask for no more, and of the others' shares, does not exceed the total. */
function fairShare(wanted: readonly number[], total: number): number {
  const sorted = [...wanted].sort((a, b) => a - b);
  let left = total;
  for (const [index, bytes] of sorted.entries()) {
    const share = left / (sorted.length - index);
    if (bytes > share) return share;
    left -= bytes;
  }
  return Infinity;
}
