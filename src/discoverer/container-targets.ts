import type { Container } from './runtimes/container.js';
import type { ProcessFacts } from './process-table.js';

/** A target without its interfaces. */
export interface TargetFacts {
  readonly name: string;
  readonly type: string;
  readonly prefix: string;
  readonly process: ProcessFacts;
}

/** One target per container, but only one for all containers of a pod, which share their network namespace. */
export function containerTargets(containers: readonly Container[]): TargetFacts[] {
  const byId = new Map(containers.map((container) => [container.id, container]));
  const pods = new Map<string, Container[]>();
  const targets: TargetFacts[] = [];
  for (const container of containers) {
    const { name, type, pod, process } = container;
    if (process.netns === 0) continue;
    if (!pod) {
      targets.push({ name, type, prefix: prefixOf(container, byId), process });
      continue;
    }
    const key = `${process.netns} ${pod.name}`;
    pods.set(key, [...(pods.get(key) ?? []), container]);
  }
  for (const members of pods.values()) {
    const [first] = members.sort(sandboxFirst);
    // Pods go by their name alone, see TargetDirectory.
    if (first?.pod) targets.push({ name: first.pod.name, type: 'pod', prefix: '', process: first.process });
  }
  return targets;
}

/** The sandbox lives as long as its pod, the other containers may be restarted. */
function sandboxFirst(a: Container, b: Container): number {
  return Number(b.pod?.sandbox) - Number(a.pod?.sandbox) || a.process.startTime - b.process.startTime;
}

/** Names of the containers around this one, the outermost first. */
function prefixOf({ outer }: Container, byId: ReadonlyMap<string, Container>, depth = 0): string {
  if (outer === undefined || depth > byId.size) return '';
  const around = byId.get(outer);
  if (!around) return outer.slice(0, 12); // as engines abbreviate it
  const name = around.pod?.name ?? around.name;
  return [prefixOf(around, byId, depth + 1), name].filter((part) => part !== '').join('/');
}
