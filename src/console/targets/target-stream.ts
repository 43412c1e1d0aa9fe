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
 * Watches the targets as long as the page lives.
 *
 * @returns connects again at once
 */
export function watchTargets(listener: TargetListener): () => void {
  let source: EventSource | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let retryMs = FIRST_RETRY_MS;
  /** Set only when the problem is another one, because screen readers read each change. */
  let problem = LOST;

  const connect = (): void => {
    clearTimeout(retry);
    source?.close();
    const current = (source = new EventSource(serviceUrl('targets')));
    for (const type of ['snapshot', 'added', 'changed', 'removed'] as const) {
      current.addEventListener(type, ({ data }: MessageEvent<string>) => {
        retryMs = FIRST_RETRY_MS;
        problem = LOST;
        listener.onConnection({ kind: 'live' });
        listener.onEvent({ type, targets: (JSON.parse(data) as { targets: Target[] }).targets });
      });
    }
    // A stream that continues begins without an event.
    current.addEventListener('open', () => listener.onConnection({ kind: 'live' }));
    current.addEventListener('error', () => {
      if (source !== current) return;
      listener.onConnection({ kind: 'lost', problem });
      // The browser reconnects after a lost connection, but not after a refusal, and it does not say why it was refused.
      if (current.readyState === EventSource.CLOSED) void explain();
    });
  };

  const explain = async (): Promise<void> => {
    const failed = source;
    retry = setTimeout(connect, retryMs);
    retryMs = Math.min(2 * retryMs, MAX_RETRY_MS);
    const end = new AbortController();
    try {
      const headers = { Accept: 'text/event-stream' };
      await ask(serviceUrl('targets'), { headers, signal: end.signal });
    } catch (error) {
      if (error instanceof ServiceFailure && source === failed) {
        problem = `${error.message} Reconnecting…`;
        listener.onConnection({ kind: 'lost', problem });
      }
    } finally {
      end.abort(); // the answer is a stream without end
    }
  };

  connect();
  return connect;
}
