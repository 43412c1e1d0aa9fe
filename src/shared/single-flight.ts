/**
 * Runs at most one request at a time and shares its answer among all callers that ask while it runs. A caller that
 * aborts does not affect the others; when all have aborted, so is the request.
 */
export class SingleFlight<Answer> {
  readonly #send: (signal: AbortSignal) => Promise<Answer>;
  #running?: Round<Answer>;
  /** For callers that need a fresher answer than the running request's; sent as soon as that one has settled. */
  #waiting?: Round<Answer>;

  /** @param send makes the request; must settle when its signal is aborted */
  constructor(send: (signal: AbortSignal) => Promise<Answer>) {
    this.#send = send;
  }

  /**
   * @param fresh whether the request must begin after this call, so that a running one will not do
   * @param signal aborts the wait; the promise then rejects with its reason
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

/** One request and the callers that wait for its answer. */
class Round<Answer> {
  readonly #answer = Promise.withResolvers<Answer>();
  readonly #abort = new AbortController();
  #callers = 0;

  constructor() {
    // When all callers have aborted, a failure of the request must not become an unhandled rejection.
    this.#answer.promise.catch(() => undefined);
  }

  get abandoned(): boolean {
    return this.#abort.signal.aborted;
  }

  /** Never rejects: the outcome goes to the callers. */
  async run(send: (signal: AbortSignal) => Promise<Answer>): Promise<void> {
    try {
      this.#answer.resolve(await send(this.#abort.signal));
    } catch (error) {
      this.#answer.reject(error);
    }
  }

  async join(signal: AbortSignal | undefined): Promise<Answer> {
    this.#callers += 1;
    const aborted = Promise.withResolvers<never>();
    const onAbort = () => aborted.reject(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      return await Promise.race([this.#answer.promise, aborted.promise]);
    } finally {
      signal?.removeEventListener('abort', onAbort);
      this.#callers -= 1;
      if (this.#callers === 0) this.#abort.abort();
    }
  }
}
