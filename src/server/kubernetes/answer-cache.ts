export interface AnswerCacheOptions {
  /** How long an answer counts, from when the question was asked. */
  readonly lifetimeMs: number;
  readonly maxAnswers: number;
  /** Maximum number of questions that wait for their answers. */
  readonly maxPending: number;
  /** Made when there are more. */
  readonly refusal: () => Error;
}

interface Known<Answer> {
  readonly answer: Promise<Answer>;
  readonly untilMs: number;
  pending: boolean;
}

/** Keeps answers for a short time. Those who ask the same at the same time share one question; a failure is not kept. */
export class AnswerCache<Answer> {
  /** The oldest first. */
  private readonly known = new Map<string, Known<Answer>>();
  private pending = 0;

  constructor(private readonly options: AnswerCacheOptions) {}

  /** @param find asks the question; must settle */
  async ask(question: string, find: () => Promise<Answer>): Promise<Answer> {
    const nowMs = performance.now();
    const last = this.known.get(question);
    if (last && (last.pending || nowMs < last.untilMs)) return last.answer;
    const { lifetimeMs, maxAnswers, maxPending, refusal } = this.options;
    if (this.pending >= maxPending) throw refusal();

    this.pending += 1;
    const asked: Known<Answer> = { answer: find(), untilMs: nowMs + lifetimeMs, pending: true };
    this.known.delete(question);
    this.known.set(question, asked);
    if (this.known.size > maxAnswers) this.known.delete(this.known.keys().next().value!);
    try {
      return await asked.answer;
    } catch (error) {
      if (this.known.get(question) === asked) this.known.delete(question);
      throw error;
    } finally {
      asked.pending = false;
      this.pending -= 1;
    }
  }
}
