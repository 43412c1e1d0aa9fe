import type { Writable } from 'node:stream';
import { serverSentEvents } from '../shared/http/server-sent-events.js';
import { printable } from '../shared/printable.js';
import { describeRefusal, type ServiceAccess } from './service-access.js';

/** A target, as far as it is shown. */
interface Target {
  readonly name: string;
  readonly prefix: string;
  readonly type: string;
  readonly interfaces: readonly string[];
  readonly project: string;
  readonly namespace: string;
  readonly image: string;
}

const HEADINGS = ['TYPE', 'NAME', 'PROJECT', 'INTERFACES', 'IMAGE'];
/** Of one column, in characters. */
const MAX_WIDTH = 48;
const SIGNS: Readonly<Record<string, string>> = { added: '+', removed: '-', changed: '~' };

/** How to list the targets. */
export interface ListOptions {
  readonly watch: boolean;
  readonly json: boolean;
}

/**
 * Prints what can be captured from, and with `watch` what changes, until the service ends.
 *
 * @throws Error when the service cannot be asked
 */
export async function listTargets(
  { url, headers }: ServiceAccess,
  { watch, json }: ListOptions,
  out: Writable,
): Promise<void> {
  const address = urlBeside(url, 'targets');
  const accept = watch ? 'text/event-stream' : 'application/json';
  const response = await fetch(address, { headers: { ...headers, accept } });
  if (!response.ok || !response.body) {
    const authenticate = response.headers.get('www-authenticate');
    const refusal = describeRefusal(response.status, authenticate, await response.text());
    throw new Error(`no targets from ${address.href}: ${refusal}`);
  }
  if (!watch) {
    const text = await response.text();
    out.write(json ? `${text}\n` : table(targetsIn(text)));
    return;
  }
  for await (const { event, data } of serverSentEvents(response.body)) {
    if (json) out.write(`${JSON.stringify({ event, ...(JSON.parse(data) as object) })}\n`);
    else if (event === 'snapshot') out.write(table(targetsIn(data)));
    else
      for (const target of targetsIn(data))
        out.write(`${SIGNS[event] ?? event} ${cellsOf(target).join('  ')}\n`);
  }
}

/** Beside the path of captures: `/capture` and `/discover/capture` become `/targets`, after the prefix of a proxy. */
export function urlBeside(capture: URL, path: 'targets' | 'captures'): URL {
  const url = new URL(capture);
  url.protocol = capture.protocol === 'wss:' ? 'https:' : 'http:';
  url.pathname = capture.pathname.replace(/(\/discover)?\/[^/]*$/, `/${path}`);
  url.search = '';
  return url;
}

function targetsIn(json: string): Target[] {
  return (JSON.parse(json) as { targets: Target[] }).targets;
}

function table(targets: readonly Target[]): string {
  const rows = [HEADINGS, ...targets.map(cellsOf).sort(byTypeAndName)];
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}

function cellsOf({ name, prefix, type, interfaces, project, image }: Target): string[] {
  const shown = prefix ? `${name} in ${prefix}` : name;
  return [type, shown, project, interfaces.join(' '), image].map((text) => printable(text, MAX_WIDTH));
}

function byTypeAndName(a: readonly string[], b: readonly string[]): number {
  return a.join('\0') < b.join('\0') ? -1 : 1;
}
