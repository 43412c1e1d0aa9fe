import type { LogFormat } from './log-format.js';
import { escapeInvisible, quotedText } from './quoted-text.js';

/** From what only developers want to know to what ends a process. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';

/** Facts about an event beside its message, by name: text, numbers, or what JSON can say. */
export type Facts = Readonly<Record<string, unknown>>;

/** One event, as every process of the service logs it. */
export interface LogRecord extends Facts {
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly level: LogLevel;
  /** Which process of the service: `supervisor`, `server`, `engine`, `discoverer`. */
  readonly role: string;
  readonly pid: number;
  /** The part of the server that says it. */
  readonly context?: string;
  readonly message: string;
}

/** Interface lists and hostile requests can be 256 KiB. */
const MAX_TEXT_LENGTH = 2_000;
const PLAIN = /^[\w./:@%+-]+$/;

/** One line, with its newline, whatever the facts hold: nothing in it breaks the line or is obeyed by a terminal. */
export function logLine(record: LogRecord, format: LogFormat): string {
  return `${format === 'json' ? escapeInvisible(JSON.stringify(record)) : textLine(record)}\n`;
}

function textLine({ time, level, role, pid, context, message, ...facts }: LogRecord): string {
  const source = `${role} ${pid}${context === undefined ? '' : ` ${context}`}`;
  const pairs = Object.entries(facts)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}=${factInText(value)}`);
  return `${time} ${level.toUpperCase().padEnd(5)} ${source}: ${escapeInvisible(message)}${pairs.join('')}`;
}

function factInText(value: unknown): string {
  if (typeof value === 'string') return PLAIN.test(value) ? value : quotedText(value, Infinity);
  return escapeInvisible(JSON.stringify(value));
}

/** Facts in a form that JSON can say, and not too long. */
export function plainFacts(facts: Facts): Facts {
  return Object.fromEntries(Object.entries(facts).map(([name, value]) => [name, plainFact(value)]));
}

function plainFact(value: unknown): unknown {
  if (typeof value === 'string') return boundedText(value);
  return value instanceof Error ? boundedText(value.stack ?? `${value.name}: ${value.message}`) : value;
}

/** As much of a text as belongs into a log. */
export function boundedText(text: string): string {
  return text.length > MAX_TEXT_LENGTH ? `${text.slice(0, MAX_TEXT_LENGTH)}…` : text;
}
