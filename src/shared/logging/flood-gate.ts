/** Lines that differ in nothing else say the same: numbers, addresses, names with digits, text of strangers in quotes. */
const PARTICULARS = /"(?:[^"\\]|\\.)*"|[^\s"]*(?:\d|::)[^\s"]*/g;

/** More kinds of lines at once are one kind: strangers must not fill our memory with them. */
const MAX_KINDS = 500;
const OTHERS = 'various';

interface Kind {
  readonly example: string;
  passed: number;
  held: number;
}

/**
 * Lets so many lines of a kind pass within a period and counts the others, so that a failure that comes a thousand
 * times a second is told a few times, and then how often it came.
 */
export class FloodGate {
  private readonly kinds = new Map<string, Kind>();
  private timer?: NodeJS.Timeout;

  /** @param report gets a line about those that were held back, at the end of the period */
  constructor(
    private readonly periodMs: number,
    private readonly report: (line: string) => void,
  ) {}

  /** Whether to write this line, one of at most so many of its kind. */
  admits(line: string, limit: number): boolean {
    this.timer ??= setTimeout(() => this.endPeriod(), this.periodMs).unref();
    const kind = this.kindOf(line);
    if (kind.passed < limit) {
      kind.passed++;
      return true;
    }
    kind.held++;
    return false;
  }

  private kindOf(line: string): Kind {
    const shape = line.slice(0, 1_000).replace(PARTICULARS, '#');
    const name = this.kinds.has(shape) || this.kinds.size < MAX_KINDS ? shape : OTHERS;
    const known = this.kinds.get(name);
    if (known) return known;
    const kind = { example: name === OTHERS ? OTHERS : line.slice(0, 200), passed: 0, held: 0 };
    this.kinds.set(name, kind);
    return kind;
  }

  private endPeriod(): void {
    this.timer = undefined;
    const kinds = [...this.kinds.values()];
    this.kinds.clear();
    for (const { example, held } of kinds) {
      if (held > 0) this.report(`${held} more in ${this.periodMs / 1000} s like: ${example}`);
    }
  }
}
