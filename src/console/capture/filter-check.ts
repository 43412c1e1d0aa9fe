import { MAX_FILTER_BYTES } from '../../shared/protocol/limits.js';
import { signal } from '@preact/signals';
import { askJson, ServiceFailure, serviceUrl } from '../service.js';

/** What is known about the capture filter that is typed. */
export type FilterState =
  | { readonly kind: 'empty' | 'checking' | 'valid' }
  | { readonly kind: 'invalid' | 'unknown'; readonly message: string };

export const filterState = signal<FilterState>({ kind: 'empty' });

/** The check begins when nothing was typed for this time. */
const DEBOUNCE_MS = 250;

let timer: ReturnType<typeof setTimeout> | undefined;
let running: AbortController | undefined;

/** Has the service check the filter soon. An answer for an earlier text is ignored. */
export function checkFilter(text: string): void {
  clearTimeout(timer);
  running?.abort();
  const filter = text.trim();
  if (filter === '' || new TextEncoder().encode(filter).length > MAX_FILTER_BYTES) {
    filterState.value = { kind: 'empty' };
    return;
  }
  filterState.value = { kind: 'checking' };
  timer = setTimeout(() => void check(filter), DEBOUNCE_MS);
}

async function check(filter: string): Promise<void> {
  const { signal } = (running = new AbortController());
  try {
    const url = serviceUrl('filter', { filter });
    const answer = await askJson<{ valid: boolean; message?: string }>(url, { signal });
    signal.throwIfAborted();
    filterState.value = answer.valid
      ? { kind: 'valid' }
      : { kind: 'invalid', message: answer.message ?? 'The filter is not valid.' };
  } catch (error) {
    if (signal.aborted) return;
    filterState.value = { kind: 'unknown', message: whyNotChecked(error) };
  }
}

function whyNotChecked(error: unknown): string {
  if (!(error instanceof ServiceFailure)) return 'The filter cannot be checked now.';
  // Not Implemented: the capture provider of the service cannot check filters.
  return error.status === 501
    ? 'The filter cannot be checked by this service.'
    : `The filter cannot be checked now. ${error.message}`;
}
