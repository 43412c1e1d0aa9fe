import type { ListedCapture } from '../../shared/api/listed-capture.js';
import { signal, useSignal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { bytesText, elapsedText, numberText } from '../numbers.js';
import { ask, askJson, ServiceFailure, serviceUrl } from '../service.js';
import { visibleText } from '../visible-text.js';
import { ratesBetween, type CapturesAt, type Rate } from './captures.js';
import './running.css';

const POLL_MS = 2_000;

const known = signal<CapturesAt | undefined>(undefined);
const rates = signal<ReadonlyMap<string, Rate>>(new Map());
const problem = signal('');

async function refresh(): Promise<void> {
  try {
    const { captures } = await askJson<{ captures: ListedCapture[] }>(serviceUrl('captures'));
    const now = { time: performance.now(), captures };
    rates.value = ratesBetween(known.value, now);
    known.value = now;
    problem.value = '';
  } catch (error) {
    if (!(error instanceof ServiceFailure)) throw error;
    problem.value = error.message;
  }
}

/** Asks every few seconds while the page is visible. */
function usePolling(): void {
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    let ended = false;
    const poll = async (): Promise<void> => {
      clearTimeout(timer);
      if (document.hidden || ended) return;
      try {
        await refresh();
      } finally {
        clearTimeout(timer);
        timer = setTimeout(() => void poll(), POLL_MS);
      }
    };
    const onVisible = (): void => void poll();
    document.addEventListener('visibilitychange', onVisible);
    void poll();
    return () => {
      ended = true;
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', onVisible);
    };
  }, []);
}

/** All captures that run, also those of other clients. */
export function RunningPanel() {
  usePolling();
  const captures = known.value?.captures ?? [];
  return (
    <section class="panel running" aria-labelledby="running-title">
      <header class="bar">
        <h2 id="running-title">
          Running captures <span class="count">{captures.length}</span>
        </h2>
        {captures.length === 0 && problem.value === '' && (
          <p class="hint">{known.value ? 'None at present.' : 'Asking…'}</p>
        )}
        {problem.value !== '' && <p class="problem">{problem.value}</p>}
      </header>
      {captures.length > 0 && (
        <div class="table" tabIndex={0} role="group" aria-labelledby="running-title">
          <table>
            <thead>
              <tr>
                <th scope="col">Capture</th>
                <th scope="col">Target</th>
                <th scope="col">Filter</th>
                <th scope="col">Client</th>
                <th scope="col" class="numeric">
                  For
                </th>
                <th scope="col" class="numeric">
                  Rate
                </th>
                <th scope="col" class="numeric">
                  Sent
                </th>
                <th scope="col" class="numeric">
                  Dropped
                </th>
                <th scope="col">
                  <span class="sr-only">Action</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {captures.map((capture) => (
                <CaptureRow key={capture.name} capture={capture} rate={rates.value.get(capture.name)} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function CaptureRow({ capture, rate }: { readonly capture: ListedCapture; readonly rate: Rate | undefined }) {
  const { name, target, isSet, netns, interfaces, filter, client, user, since, transport } = capture;
  const title = target || `network namespace ${netns}`;
  return (
    <tr>
      <th scope="row" class="mono">
        {visibleText(name, 64)}
      </th>
      <td class="clip" title={visibleText(title, 600)}>
        <bdi>{visibleText(title)}</bdi> {isSet && <span class="badge">set</span>}
        {interfaces.length > 0 && (
          <span class="hint">
            {' '}
            <bdi>{visibleText(interfaces.join(' '), 60)}</bdi>
          </span>
        )}
      </td>
      <td class="clip mono" title={visibleText(filter, 600)}>
        <bdi>{visibleText(filter)}</bdi>
      </td>
      <td class="clip" title={visibleText(`${client}, ${transport}`)}>
        {user && (
          <>
            <bdi>{visibleText(user, 60)}</bdi>{' '}
          </>
        )}
        <span class={user ? 'hint' : ''}>{visibleText(client, 60)}</span>
      </td>
      <td class="numeric" title={new Date(since).toLocaleString()}>
        {elapsedText(Date.now() - Date.parse(since))}
      </td>
      <td class="numeric">{rateText(rate)}</td>
      <td class="numeric">{bytesText(capture.bytes)}</td>
      <td class="numeric">
        {capture.dropped ? <span class="problem">{numberText(capture.dropped)}</span> : capture.dropped}
        {capture.stalled && (
          <span class="badge gone" title="The client accepts nothing at present">
            stalled
          </span>
        )}
      </td>
      <td class="action">{capture.mayEnd && <StopButton name={name} />}</td>
    </tr>
  );
}

function rateText(rate: Rate | undefined): string {
  if (!rate) return '';
  const packets = rate.packets === undefined ? '' : `${numberText(rate.packets)} pkt/s, `;
  return `${packets}${bytesText(rate.bytes)}/s`;
}

/** Asks for a confirmation in its place, which gets the keyboard focus; Escape cancels. */
function StopButton({ name }: { readonly name: string }) {
  const state = useSignal<'idle' | 'asking' | 'busy'>('idle');
  const failure = useSignal('');
  const button = useRef<HTMLButtonElement>(null);
  const stop = async (): Promise<void> => {
    state.value = 'busy';
    try {
      await ask(serviceUrl(`captures/${encodeURIComponent(name)}`), { method: 'DELETE' });
    } catch (error) {
      if (!(error instanceof ServiceFailure)) throw error;
      if (error.status !== 404) failure.value = error.message; // 404: it has ended by itself
    }
    state.value = 'idle';
    await refresh();
  };
  if (state.value === 'idle') {
    return (
      <>
        {failure.value && (
          <span class="problem" role="alert">
            {failure.value}{' '}
          </span>
        )}
        <button
          ref={button}
          type="button"
          aria-label={`Stop ${name}`}
          onClick={() => {
            failure.value = '';
            state.value = 'asking';
          }}
        >
          Stop
        </button>
      </>
    );
  }
  const cancel = (): void => {
    state.value = 'idle';
    requestAnimationFrame(() => button.current?.focus());
  };
  return (
    <Confirmation
      name={name}
      isBusy={state.value === 'busy'}
      onConfirm={() => void stop()}
      onCancel={cancel}
    />
  );
}

interface ConfirmationProps {
  readonly name: string;
  readonly isBusy: boolean;
  readonly onConfirm: () => void;
  readonly onCancel: () => void;
}

function Confirmation({ name, isBusy, onConfirm, onCancel }: ConfirmationProps) {
  const confirm = useRef<HTMLButtonElement>(null);
  // Before anybody can press another key.
  useLayoutEffect(() => confirm.current?.focus(), []);
  return (
    <span
      class="confirm"
      role="group"
      aria-label={`Stop ${name}?`}
      onKeyDown={(event) => event.key === 'Escape' && onCancel()}
    >
      <button ref={confirm} type="button" class="danger" disabled={isBusy} onClick={onConfirm}>
        Stop it
      </button>
      <button type="button" class="quiet" onClick={onCancel}>
        Keep
      </button>
    </span>
  );
}
