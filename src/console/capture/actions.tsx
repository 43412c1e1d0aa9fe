import { useSignal } from '@preact/signals';
import { token } from '../access.js';
import { ServiceFailure, serviceUrl } from '../service.js';
import { request, selection, watched } from '../store.js';
import { visibleText } from '../visible-text.js';
import type { CaptureParameters, Selection } from './capture-request.js';
import { CommandDialog } from './command-dialog.js';
import { downloadUrl, linkWithTicket } from './tickets.js';

type Opening =
  { readonly kind: 'idle' | 'busy' | 'opened' } | { readonly kind: 'failed'; readonly problem: string };

/** Where the packets go. */
export function Actions() {
  const opening = useSignal<Opening>({ kind: 'idle' });
  /** The capture that the dialog is about: the request may change while it is open. */
  const inDialog = useSignal<
    { readonly selection: Selection; readonly parameters: CaptureParameters } | undefined
  >(undefined);
  const { value } = request;
  const isReady = value.kind === 'ready';
  const open = async (act: () => Promise<Opening>): Promise<void> => {
    opening.value = { kind: 'busy' };
    try {
      opening.value = await act();
    } catch (error) {
      if (!(error instanceof ServiceFailure)) throw error;
      opening.value = { kind: 'failed', problem: error.message };
    }
  };
  return (
    <footer class="actions">
      <p class="state" role="status">
        {value.kind === 'problem' && <span class="problem">{visibleText(value.problem, 400)}</span>}
        {opening.value.kind === 'failed' && <span class="problem">{opening.value.problem}</span>}
      </p>
      <div class="buttons">
        <button
          type="button"
          class="primary"
          disabled={!isReady}
          onClick={() => isReady && (watched.value = { parameters: value.parameters, title: value.title })}
        >
          Watch here
        </button>
        <button
          type="button"
          disabled={!isReady || opening.value.kind === 'busy'}
          onClick={() => isReady && void open(() => openWireshark(value.parameters))}
        >
          Open in Wireshark
        </button>
        {token.value === '' ? (
          <a
            class="button"
            role="link"
            download
            {...(isReady
              ? { href: serviceUrl('capture.pcapng', value.parameters).href }
              : { 'aria-disabled': true })}
          >
            Download
          </a>
        ) : (
          <button
            type="button"
            disabled={!isReady || opening.value.kind === 'busy'}
            onClick={() => isReady && void open(() => download(value.parameters))}
          >
            Download
          </button>
        )}
        <button
          type="button"
          disabled={!isReady}
          onClick={() =>
            isReady && (inDialog.value = { selection: selection.value, parameters: value.parameters })
          }
        >
          Copy command…
        </button>
      </div>
      {opening.value.kind === 'opened' && (
        <p class="note" role="status">
          Wireshark should open now. If nothing happens, install Wireshark and the plugin <b>cshargextcap</b>{' '}
          of Siemens Edgeshark on this computer: the browser cannot tell whether they are there.{' '}
          <button type="button" class="link" onClick={() => (opening.value = { kind: 'idle' })}>
            Dismiss
          </button>
        </p>
      )}
      {inDialog.value && <CommandDialog {...inDialog.value} onClose={() => (inDialog.value = undefined)} />}
    </footer>
  );
}

/** @throws ServiceFailure */
async function openWireshark(parameters: CaptureParameters): Promise<Opening> {
  location.href = await linkWithTicket(parameters);
  return { kind: 'opened' };
}

/** @throws ServiceFailure */
async function download(parameters: CaptureParameters): Promise<Opening> {
  const link = document.createElement('a');
  link.href = (await downloadUrl(parameters)).href;
  link.download = '';
  link.click();
  return { kind: 'idle' };
}
