/** Lines that differ in nothing else are of one kind: numbers, addresses, names with digits, untrusted text in quotes. */
const PARTICULARS = /"(?:[^"\\]|\\.)*"|[^\s"]*(?:\d|::)[^\s"]*/g;

/** Further kinds of lines share one entry, so that untrusted clients cannot fill the memory with kinds. */
const MAX_KINDS = 500;
const OTHER_KINDS = 'various';

interface Kind {
  readonly example: string;
  admitted: number;
  suppressed: number;
}

/**
 * Limits the number of log lines of one kind per period and counts the others: a failure that occurs a thousand times a
 * second is logged a few times, followed by the number of its repetitions.
 */
export class FloodGate {
  private readonly kinds = new Map<string, Kind>();
  private timer?: NodeJS.Timeout;

  /** @param report called at the end of a period with a summary of each kind of which lines were suppressed */
  constructor(
    private readonly periodMs: number,
    private readonly report: (summary: string) => void,
  ) {}

  /** Whether to write this line. @param limit maximum number of lines of its kind in a period */
  admits(line: string, limit: number): boolean {
    this.timer ??= setTimeout(() => this.endPeriod(), this.periodMs).unref();
    const kind = this.kindOf(line);
    if (kind.admitted < limit) {
      kind.admitted++;
      return true;
    }
    kind.suppressed++;
    return false;
  }

  private kindOf(line: string): Kind {
    const shape = line.slice(0, 1_000).replace(PARTICULARS, '#');
    const name = this.kinds.has(shape) || this.kinds.size < MAX_KINDS ? shape : OTHER_KINDS;
    const known = this.kinds.get(name);
    if (known) return known;
    const example = name === OTHER_KINDS ? OTHER_KINDS : line.slice(0, 200);
    const kind = { example, admitted: 0, suppressed: 0 };
    this.kinds.set(name, kind);
    return kind;
  }

  private endPeriod(): void {
    this.timer = undefined;
    const kinds = [...this.kinds.values()];
    this.kinds.clear();
    for (const { example, suppressed } of kinds) {
      if (suppressed > 0) this.report(`${suppressed} more in ${this.periodMs / 1000} s like: ${example}`);
    }
  }
}
