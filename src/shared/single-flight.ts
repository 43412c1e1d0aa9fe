/**
 * One request at a time, whose answer is shared by all who ask while it runs. An asker that gives up does not
 * disturb the others; when all have given up, the request is aborted.
 */
export class SingleFlight<Answer> {
  readonly #send: (signal: AbortSignal) => Promise<Answer>;
  #running?: Round<Answer>;
  /** Of those who need an answer younger than the running one; sent as soon as that one is over. */
  #waiting?: Round<Answer>;

  /** @param send asks; must settle when its signal is aborted */
  constructor(send: (signal: AbortSignal) => Promise<Answer>) {
    this.#send = send;
  }

  /**
   * @param fresh whether the request must begin after this call, instead of being one that runs already
   * @param signal gives up; the promise then rejects with its reason
   */
  ask(fresh = false, signal?: AbortSignal): Promise<Answer> {
    if (signal?.aborted) return Promise.reject(signal.reason as Error);
    if (!this.#running) return this.#begin(new Round<Answer>()).join(signal);
    if (!fresh && !this.#running.abandoned) return this.#running.join(signal);
    if (!this.#waiting || this.#waiting.abandoned) this.#waiting = new Round<Answer>();
    return this.#waiting.join(signal);
  }

  #begin(round: Round<Answer>): Round<Answer> {
    this.#running = round;
    void round.run(this.#send).finally(() => {
      const next = this.#waiting;
      this.#running = this.#waiting = undefined;
      if (next && !next.abandoned) this.#begin(next);
    });
    return round;
  }
}

/** One request and those who wait for its answer. */
class Round<Answer> {
  readonly #answer = Promise.withResolvers<Answer>();
  readonly #abort = new AbortController();
  #askers = 0;

  constructor() {
    // With all askers gone nobody looks at the answer any more, and that is no unhandled rejection.
    this.#answer.promise.catch(() => undefined);
  }

  get abandoned(): boolean {
    return this.#abort.signal.aborted;
  }

  /** Never rejects: the outcome goes to those who joined. */
  async run(send: (signal: AbortSignal) => Promise<Answer>): Promise<void> {
    try {
      this.#answer.resolve(await send(this.#abort.signal));
    } catch (error) {
      this.#answer.reject(error);
    }
  }

  async join(signal: AbortSignal | undefined): Promise<Answer> {
    this.#askers += 1;
    const givenUp = Promise.withResolvers<never>();
    const giveUp = () => givenUp.reject(signal?.reason);
    signal?.addEventListener('abort', giveUp, { once: true });
    try {
      return await Promise.race([this.#answer.promise, givenUp.promise]);
    } finally {
      signal?.removeEventListener('abort', giveUp);
      this.#askers -= 1;
      if (this.#askers === 0) this.#abort.abort();
    }
  }
}
