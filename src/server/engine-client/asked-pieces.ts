import type { TakePiece } from '../capture/capture-provider.js';

type Result = IteratorResult<Uint8Array, undefined>;

/** A delivery for those who rather ask for one piece after the other. */
export class AskedPieces implements AsyncIterableIterator<Uint8Array, undefined> {
  private begun = false;
  private finished = false;
  private asked = Promise.withResolvers<Result>();
  /** Says whether the piece that is out shall be followed by another one. */
  private goOn?: (more: boolean) => void;

  /**
   * @param deliver hands pieces over until it settles
   * @param leave called when nobody asks any more
   */
  constructor(
    private readonly deliver: (take: TakePiece) => Promise<void>,
    private readonly leave: () => void,
  ) {}

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Result> {
    this.asked = Promise.withResolvers();
    if (this.finished) this.asked.resolve(DONE);
    else if (this.begun) this.goOn?.(true);
    else this.begin();
    return this.asked.promise;
  }

  return(): Promise<Result> {
    this.leave();
    return Promise.resolve(DONE);
  }

  private begin(): void {
    this.begun = true;
    void this.deliver(this.take).then(() => {
      this.finished = true;
      this.asked.resolve(DONE);
    });
  }

  private readonly take: TakePiece = (memory, start, end) => {
    this.asked.resolve({ done: false, value: memory.subarray(start, end) });
    return new Promise((resolve) => (this.goOn = resolve));
  };
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };
