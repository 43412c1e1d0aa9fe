import { serverSentEvents, type ServerSentEvent } from '../../shared/http/server-sent-events.js';
import { accessProblem } from '../access.js';
import { ask, ServiceFailure, serviceUrl } from '../service.js';
import type { TargetEvent } from './target-list.js';
import type { Target } from './target.js';

export type Connection =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  | { readonly kind: 'lost'; readonly problem: string };

export interface TargetListener {
  onEvent(event: TargetEvent): void;
  onConnection(connection: Connection): void;
}

const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 15_000;
const LOST = 'The connection to the service is lost. The list may be out of date; reconnecting…';

/**
 * Watches the targets as long as the page lives. Not by an EventSource, which cannot send a token, and does not say why it is refused.
 *
 * @returns connects again at once
 */
export function watchTargets(listener: TargetListener): () => void {
  let current: AbortController | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let retryMs = FIRST_RETRY_MS;
  /** Of the last event: the stream goes on after it. */
  let lastId = '';

  const connect = (): void => {
    clearTimeout(retry);
    current?.abort();
    current = new AbortController();
    void follow(current.signal);
  };

  const follow = async (signal: AbortSignal): Promise<void> => {
    let problem = LOST;
    try {
      const headers = { Accept: 'text/event-stream', ...(lastId !== '' && { 'Last-Event-ID': lastId }) };
      const { body } = await ask(serviceUrl('targets'), { headers, signal });
      if (signal.aborted) return;
      // A stream that continues begins without an event.
      listener.onConnection({ kind: 'live' });
      for await (const event of serverSentEvents(chunksOf(body!))) {
        if (signal.aborted) return;
        retryMs = FIRST_RETRY_MS;
        lastId = event.id;
        deliver(event);
      }
    } catch (error) {
      if (signal.aborted) return;
      // A TypeError: the connection was lost within the stream.
      if (error instanceof ServiceFailure && error.status !== 0) problem = error.message;
    }
    const goesOn = accessProblem.peek() === '';
    if (problem !== LOST && goesOn) problem += ' Reconnecting…';
    listener.onConnection({ kind: 'lost', problem });
    if (!goesOn) return; // until there is a token
    retry = setTimeout(connect, retryMs);
    retryMs = Math.min(2 * retryMs, MAX_RETRY_MS);
  };

  const deliver = ({ event: type, data }: ServerSentEvent): void => {
    if (!isTargetEvent(type)) return;
    listener.onConnection({ kind: 'live' });
    listener.onEvent({ type, targets: (JSON.parse(data) as { targets: Target[] }).targets });
  };

  connect();
  return connect;
}

/** Not every browser can iterate over a stream. */
async function* chunksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

function isTargetEvent(type: string): type is TargetEvent['type'] {
  return ['snapshot', 'added', 'changed', 'removed'].includes(type);
}
