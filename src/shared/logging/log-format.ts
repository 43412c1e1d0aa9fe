/** How log lines look: for people, or for programs that collect them. */
export const LOG_FORMATS = ['text', 'json'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

/**
 * What `--log-format` means. All processes of the service share one standard error, so they all come to the same.
 *
 * @param option `auto` is text where somebody looks on, and JSON where a program does
 */
export function logFormat(option: string | undefined, isTerminal: boolean): LogFormat {
  if (option === 'text' || option === 'json') return option;
  return isTerminal ? 'text' : 'json';
}
