/** Longer events are refused: no list of targets is. */
const MAX_EVENT_CHARACTERS = 32 * 1024 * 1024;

/** An event of a stream of server-sent events. */
export interface ServerSentEvent {
  readonly event: string;
  readonly data: string;
  /** Empty: it has none. */
  readonly id: string;
}

/**
 * Reads server-sent events that this service has sent: an event has one line of data, and lines end with a line feed.
 *
 * @throws RangeError when an event is longer than 32 Mi characters
 * @see https://html.spec.whatwg.org/#server-sent-events
 */
export async function* serverSentEvents(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<ServerSentEvent, void> {
  const decoder = new TextDecoder();
  let rest: string[] = [];
  let length = 0;
  for await (const chunk of body) {
    const text = decoder.decode(chunk, { stream: true });
    rest.push(text);
    length += text.length;
    if (length > MAX_EVENT_CHARACTERS) throw new RangeError('an event is too long');
    // The empty line may be divided between two chunks.
    if (!text.includes('\n')) continue;
    const blocks = rest.join('').split('\n\n');
    rest = [blocks.pop() ?? ''];
    length = rest[0]?.length ?? 0;
    for (const block of blocks) {
      const fields = new Map(block.split('\n').map(fieldOf));
      const data = fields.get('data');
      if (data === undefined) continue; // a comment, or the retry interval
      yield { event: fields.get('event') ?? 'message', data, id: fields.get('id') ?? '' };
    }
  }
}

function fieldOf(line: string): [name: string, value: string] {
  const end = line.indexOf(':');
  return end < 0 ? [line, ''] : [line.slice(0, end), line.slice(end + 1).replace(/^ /, '')];
}
