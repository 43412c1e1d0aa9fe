import type { DissectorAnswer, DissectorCall, DissectorCalls } from './messages.js';

/** A file of this size takes less than a second to dissect; a packet that keeps the worker longer has got it into a loop. */
const ANSWER_TIMEOUT_MS = 30_000;
/** Compiling 68 MB of WebAssembly takes a second, but a slow machine may be busy. */
const START_TIMEOUT_MS = 120_000;

/** The dissectors are an optional part of the service, which is not installed. */
export class DissectorsMissing extends Error {}

interface Waiting {
  readonly resolve: (answers: never) => void;
  readonly reject: (error: Error) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** The page's side of the worker that runs Wireshark's dissectors. Once a call has failed, all fail. */
export class Dissectors {
  version = '';
  private readonly worker = new Worker(new URL('./dissector-worker.ts', import.meta.url));
  private readonly waiting = new Map<number, Waiting>();
  private lastId = 0;
  private failure: Error | undefined;

  private constructor() {
    this.worker.onmessage = ({ data: answer }: MessageEvent<DissectorAnswer>) => {
      if ('crash' in answer) return this.fail(new Error(answer.crash));
      const waiting = this.waiting.get(answer.id);
      this.waiting.delete(answer.id);
      clearTimeout(waiting?.timer);
      waiting?.resolve(answer.answers as never);
    };
    this.worker.onerror = (event) => {
      event.preventDefault();
      this.fail(new Error(event.message || 'the script of the dissectors could not be loaded'));
    };
  }

  /** @param onProgress called with the share of the files that has arrived, 0 to 1 */
  static async start(onProgress: (share: number) => void, signal: AbortSignal): Promise<Dissectors> {
    // The second file is small.
    const [wasm, data] = await Promise.all([
      download('wiregasm.wasm.gz', signal, onProgress),
      download('wiregasm.data.gz', signal),
    ]);
    signal.throwIfAborted();
    const dissectors = new Dissectors();
    try {
      const started = dissectors.call('start', { wasm, data }, [wasm, data]);
      dissectors.version = (await started).version;
      signal.throwIfAborted();
    } catch (error) {
      dissectors.close();
      throw error;
    }
    return dissectors;
  }

  call<Call extends DissectorCall>(
    call: Call,
    takes: DissectorCalls[Call]['takes'],
    transfer: Transferable[] = [],
  ): Promise<DissectorCalls[Call]['answers']> {
    if (this.failure) return Promise.reject(this.failure);
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      const timeoutMs = call === 'start' ? START_TIMEOUT_MS : ANSWER_TIMEOUT_MS;
      const timer = setTimeout(() => this.fail(new Error('the dissectors do not answer')), timeoutMs);
      this.waiting.set(id, { resolve, reject, timer });
      this.worker.postMessage({ id, call, takes }, transfer);
    });
  }

  close(): void {
    this.fail(new Error('the dissectors have been closed'));
  }

  private fail(error: Error): void {
    this.failure ??= error;
    this.worker.terminate();
    for (const { reject, timer } of this.waiting.values()) {
      clearTimeout(timer);
      reject(this.failure);
    }
    this.waiting.clear();
  }
}

/** Fetches a gzip file that the service has as it is. */
async function download(
  name: string,
  signal: AbortSignal,
  onProgress?: (share: number) => void,
): Promise<ArrayBuffer> {
  const response = await fetch(new URL(`dissector/${name}`, document.baseURI), { signal });
  if (response.status === 404) throw new DissectorsMissing();
  if (!response.ok || !response.body) throw new Error(`${name}: HTTP status ${response.status}`);
  const total = Number(response.headers.get('Content-Length')) || Infinity;
  let arrived = 0;
  const counted = response.body.pipeThrough(
    new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(chunk, controller) {
        arrived += chunk.length;
        onProgress?.(Math.min(1, arrived / total));
        controller.enqueue(chunk);
      },
    }),
  );
  return new Response(counted.pipeThrough(new DecompressionStream('gzip'))).arrayBuffer();
}
