import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';

/** A target as `GET /targets` lists it. */
export interface ListedTarget {
  readonly name: string;
  readonly prefix: string;
  readonly type: string;
  /** Name of the host. */
  readonly node: string;
  readonly netns: number;
  readonly pid: number;
  readonly starttime: number;
  readonly interfaces: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** Empty where there is none or it is unknown, as are the following. */
  readonly namespace: string;
  readonly project: string;
  readonly image: string;
  /** `namespace/name` of what a pod belongs to, such as a Deployment; absent: there is none, or it is unknown. */
  readonly workload?: string;
}

/** `snapshot` has all targets; `removed` has them as they were. */
export interface TargetEvent {
  /** Of the state after the event. */
  readonly id: string;
  readonly type: 'snapshot' | 'added' | 'changed' | 'removed';
  readonly targets: readonly ListedTarget[];
}

/** Events that are kept for clients that come back. */
const MAX_EVENTS = 256;
/** Of their targets in JSON, in characters. */
const MAX_EVENTS_LENGTH = 4 * 1024 * 1024;

/** The differences between lists of targets, as events with consecutive ids. */
export class TargetChanges {
  /** Distinguishes the ids from those of another run. */
  private readonly run = randomBytes(6).toString('hex');
  private number = 0;
  private targets = new Map<string, ListedTarget>();
  private readonly events: TargetEvent[] = [];
  private readonly lengths: number[] = [];

  /** @returns the events that lead from the last list to this one */
  update(list: readonly ListedTarget[]): TargetEvent[] {
    const now = new Map(list.map((target) => [targetKey(target), target]));
    const added = list.filter((target) => !this.targets.has(targetKey(target)));
    const changed = list.filter((target) => {
      const before = this.targets.get(targetKey(target));
      return before !== undefined && !isDeepStrictEqual(before, target);
    });
    const removed = [...this.targets].flatMap(([key, target]) => (now.has(key) ? [] : [target]));
    this.targets = now;
    const events = (
      [
        ['removed', removed],
        ['added', added],
        ['changed', changed],
      ] as const
    ).flatMap(([type, targets]): TargetEvent[] =>
      targets.length > 0 ? [{ id: this.idOf(++this.number), type, targets }] : [],
    );
    for (const event of events) {
      this.events.push(event);
      this.lengths.push(JSON.stringify(event.targets).length);
    }
    while (this.events.length > MAX_EVENTS || sum(this.lengths) > MAX_EVENTS_LENGTH) {
      this.events.shift();
      this.lengths.shift();
    }
    return events;
  }

  /**
   * What a client must get first.
   *
   * @param lastId of the last event that it has got; absent: it has got none
   * @returns the events since then, or a snapshot when they are not known any more
   */
  since(lastId: string | undefined): TargetEvent[] {
    if (lastId !== undefined && lastId === this.idOf(this.number)) return [];
    const index = this.events.findIndex(({ id }) => id === lastId);
    if (index >= 0) return this.events.slice(index + 1);
    return [{ id: this.idOf(this.number), type: 'snapshot', targets: [...this.targets.values()] }];
  }

  private idOf(number: number): string {
    return `${this.run}-${number}`;
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

/** Identifies a target in a list. A process has one entry; what has none is known by its name. */
export function targetKey({
  netns,
  pid,
  starttime,
  prefix,
  name,
}: Pick<ListedTarget, 'netns' | 'pid' | 'starttime' | 'prefix' | 'name'>): string {
  return pid > 0 ? `${netns} ${pid} ${starttime} ${prefix}` : `${netns} ${prefix} ${name}`;
}
