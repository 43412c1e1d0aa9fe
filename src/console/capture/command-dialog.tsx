import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { token } from '../access.js';
import { serviceUrl, websocketUrl } from '../service.js';
import type { CaptureParameters, Selection } from './capture-request.js';
import { commandOffers, type CommandOffer } from './commands.js';

interface CommandDialogProps {
  readonly selection: Selection;
  readonly parameters: CaptureParameters;
  readonly onClose: () => void;
}

/** Commands for the same capture, a tab for each program. */
export function CommandDialog({ selection, parameters, onClose }: CommandDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const chosen = useSignal(0);
  useEffect(() => dialog.current?.showModal(), []);
  const offers = commandOffers(selection, parameters, {
    download: serviceUrl('capture.pcapng', parameters),
    websocket: websocketUrl('capture'),
    base: serviceUrl(''),
    wantsToken: token.value !== '',
  });
  const offer = offers[chosen.value];
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    chosen.value = (chosen.value + step + offers.length) % offers.length;
    dialog.current?.querySelectorAll<HTMLElement>('[role=tab]')[chosen.value]?.focus();
  };
  return (
    <dialog ref={dialog} class="box commands" aria-labelledby="commands-title" onClose={onClose}>
      <header class="bar">
        <h2 id="commands-title">Capture from a terminal</h2>
        <button type="button" class="quiet" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </header>
      <div class="tabs" role="tablist" aria-label="Programs" onKeyDown={onKeyDown}>
        {offers.map(({ program }, index) => (
          <button
            key={program}
            type="button"
            role="tab"
            id={`tab-${index}`}
            aria-selected={index === chosen.value}
            aria-controls="tab-panel"
            tabIndex={index === chosen.value ? 0 : -1}
            onClick={() => (chosen.value = index)}
          >
            {program}
          </button>
        ))}
      </div>
      <div role="tabpanel" id="tab-panel" aria-labelledby={`tab-${chosen.value}`}>
        {offer?.commands.map((command) => (
          <Command key={`${offer.program} ${command.purpose}`} {...command} />
        ))}
        <p class="hint">{offer?.note}</p>
      </div>
    </dialog>
  );
}

function Command({ purpose, text }: CommandOffer['commands'][number]) {
  const code = useRef<HTMLElement>(null);
  const state = useSignal('');
  const copy = async (): Promise<void> => {
    state.value = (await copyText(text, code.current)) ? 'Copied' : 'Press Ctrl+C';
  };
  return (
    <div class="command">
      <div class="bar">
        <h3>{purpose}</h3>
        <span class="hint" role="status">
          {state.value}
        </span>
        <button type="button" aria-label={`Copy: ${purpose}`} onClick={() => void copy()}>
          Copy
        </button>
      </div>
      <pre tabIndex={0} aria-label={`Command: ${purpose}`}>
        <code ref={code} dir="ltr">
          {text}
        </code>
      </pre>
    </div>
  );
}

/** @returns false when the text is only selected, because the browser does not let the page copy it */
async function copyText(text: string, element: HTMLElement | null): Promise<boolean> {
  try {
    // Pages of plain HTTP have no clipboard, except those of this computer.
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // TypeError where there is no clipboard, NotAllowedError where the user has forbidden it
    if (element) getSelection()?.selectAllChildren(element);
    return document.execCommand('copy');
  }
}
