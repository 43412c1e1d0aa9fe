import { signal } from '@preact/signals';
import { serviceUrl } from '../service.js';
import { ask, ServiceFailure } from '../service-answer.js';
import { filterProblem } from '../store.js';

/** What is known about the capture filter that is typed. */
export type FilterState =
  | { readonly kind: 'empty' | 'checking' | 'valid' }
  | { readonly kind: 'invalid' | 'unknown'; readonly message: string };

export const filterState = signal<FilterState>({ kind: 'empty' });

/** The check begins when nothing was typed for this time. */
const DEBOUNCE_MS = 250;
/** Of the service: it does not compile longer ones. */
const MAX_FILTER_LENGTH = 4096;

let timer: ReturnType<typeof setTimeout> | undefined;
let running: AbortController | undefined;

/** Has the service check the filter soon. An answer for an earlier text is ignored. */
export function checkFilter(text: string): void {
  clearTimeout(timer);
  running?.abort();
  filterProblem.value = '';
  const filter = text.trim();
  if (filter === '' || filter.length > MAX_FILTER_LENGTH) {
    filterState.value = { kind: 'empty' };
    return;
  }
  filterState.value = { kind: 'checking' };
  timer = setTimeout(() => void check(filter), DEBOUNCE_MS);
}

async function check(filter: string): Promise<void> {
  const { signal } = (running = new AbortController());
  try {
    const response = await ask(serviceUrl('filter', { filter }), { signal });
    const answer = (await response.json()) as { valid: boolean; message?: string };
    signal.throwIfAborted();
    filterState.value = answer.valid
      ? { kind: 'valid' }
      : { kind: 'invalid', message: answer.message ?? 'invalid' };
    filterProblem.value = answer.valid ? '' : (answer.message ?? 'invalid');
  } catch (error) {
    if (signal.aborted) return;
    const reason = error instanceof ServiceFailure ? ` ${error.message}` : '';
    filterState.value = { kind: 'unknown', message: `It cannot be checked now.${reason}` };
  }
}
