import { inspect } from 'node:util';

/** How log lines look: for people, or for programs that collect them. */
export const LOG_FORMATS = ['text', 'json'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

/** In order of importance, from what only developers need to what ends a process. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';

/** Further information about an event, by name. `capture` is the id of the capture that the event belongs to. */
export type LogFields = Readonly<Record<string, unknown>>;

/** One event, in the form in which every process of the service logs it. */
export interface LogRecord extends LogFields {
  readonly level: LogLevel;
  /** ISO 8601, UTC. */
  readonly time: string;
  /** The process of the service: `supervisor`, `server`, `engine`, `discoverer`. */
  readonly role: string;
  readonly pid: number;
  /** The part of the server that logs the event. */
  readonly context?: string;
  readonly message: string;
}

/** Interface lists and hostile requests can be 256 KiB long. */
const MAX_TEXT_LENGTH = 2_000;

/** Text that needs no quotation marks. */
const PLAIN = /^[\w./:@%+-]+$/;

/** Control, format and unassigned characters, line and paragraph separators. JSON escapes only the first 32 of them. */
const INVISIBLE = /[\p{C}\p{Zl}\p{Zp}]/gu;

/**
 * Formats one event as one line of bounded length, with its newline. Untrusted text in it cannot start a new line,
 * send escape sequences to a terminal or change the direction of the text.
 */
export function logLine(
  { level, time, role, pid, context, message, ...fields }: LogRecord,
  format: LogFormat,
): string {
  const text = bounded(message);
  if (format === 'json') {
    const record = { level, time, role, pid, context, message: text, ...fields };
    const members = Object.entries(record)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${quotedText(name)}:${json(value)}`);
    return `{${members.join(',')}}\n`;
  }
  const source = context === undefined ? `${role} ${pid}` : `${role} ${pid} ${context}`;
  const pairs = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}=${fieldInText(plain(value))}`);
  return `${time} ${level.toUpperCase().padEnd(5)} ${source}: ${escapeInvisible(text)}${pairs.join('')}\n`;
}

function fieldInText(value: unknown): string {
  if (typeof value === 'string') return PLAIN.test(value) ? value : quotedText(value);
  return json(value);
}

function json(value: unknown): string {
  try {
    return escapeInvisible(
      JSON.stringify(value, (_, nested: unknown) => plain(nested)) ?? quotedText(String(value)),
    );
  } catch {
    // A structure that contains itself, or whose `toJSON` throws. Logging must not fail: the events that matter most are
    // failures themselves.
    return quotedText(bounded(inspect(value, { customInspect: false })));
  }
}

/** A value as JSON can represent it: errors with their stacks, and long text cut. */
function plain(value: unknown): unknown {
  if (typeof value === 'string') return bounded(value);
  if (value instanceof Error) return bounded(value.stack ?? `${value.name}: ${value.message}`);
  return typeof value === 'bigint' ? String(value) : value;
}

function bounded(text: string): string {
  return text.length > MAX_TEXT_LENGTH ? `${text.slice(0, MAX_TEXT_LENGTH)}…` : text;
}

/** Untrusted text as a JSON string literal in which every invisible character is escaped. */
export function quotedText(text: string): string {
  return escapeInvisible(JSON.stringify(text));
}

function escapeInvisible(json: string): string {
  return json.replace(INVISIBLE, (character) =>
    Array.from({ length: character.length }, (_, at) => unicodeEscape(character.charCodeAt(at))).join(''),
  );
}

function unicodeEscape(codeUnit: number): string {
  return `\\u${codeUnit.toString(16).padStart(4, '0')}`;
}
