import type { Addressable } from './capture-client.js';
import { eventually } from './eventually.js';

/** Facts about a target that tests use. */
export interface ListedTarget {
  readonly name: string;
  readonly prefix: string;
  readonly type: string;
  readonly node: string;
  readonly netns: number;
}

export interface ServerSentEvent {
  readonly event: string;
  readonly id: string;
  readonly targets: readonly ListedTarget[];
}

/** A client of the server-sent events of `GET /targets`. */
export class TargetEvents implements AsyncDisposable {
  readonly events: ServerSentEvent[] = [];
  private readonly leaving = new AbortController();
  private done: Promise<void> = Promise.resolve();

  static async open(service: Addressable, lastId?: string): Promise<TargetEvents> {
    const client = new TargetEvents();
    const response = await fetch(service.url('/targets', 'http'), {
      headers: { accept: 'text/event-stream', ...(lastId !== undefined && { 'last-event-id': lastId }) },
      signal: client.leaving.signal,
    });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    client.done = client.read(response).catch(() => undefined);
    return client;
  }

  until(what: string, condition: (event: ServerSentEvent) => boolean): Promise<ServerSentEvent> {
    return eventually(what, () => this.events.find(condition));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.leaving.abort();
    await this.done;
  }

  private async read({ body }: Response): Promise<void> {
    let text = '';
    for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
      const blocks = (text + Buffer.from(chunk).toString()).split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        const [, event = '', id = '', data = ''] = /^event: (.*)\nid: (.*)\ndata: (.*)$/.exec(block) ?? [];
        if (event) this.events.push({ event, id, ...(JSON.parse(data) as { targets: ListedTarget[] }) });
      }
    }
  }
}
