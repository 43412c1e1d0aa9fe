import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { accessProblem, asksForToken, acceptToken } from './access.js';
import { askWith, ServiceFailure, serviceUrl } from './service.js';
import { reconnect } from './store.js';

/** Asks for a token until the service accepts one, or the user closes the dialog. */
export function TokenDialog() {
  const dialog = useRef<HTMLDialogElement>(null);
  const text = useSignal('');
  const problem = useSignal('');
  const isBusy = useSignal(false);
  useEffect(() => dialog.current?.showModal(), []);
  const submit = async (): Promise<void> => {
    isBusy.value = true;
    problem.value = await whyRefused(text.value.trim());
    isBusy.value = false;
    if (problem.value !== '') return;
    acceptToken(text.value.trim());
    reconnect();
  };
  return (
    <dialog
      ref={dialog}
      class="box token"
      aria-labelledby="token-title"
      onClose={() => (asksForToken.value = false)}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <h2 id="token-title">Token</h2>
        <p>{accessProblem.value}</p>
        <input
          type="password"
          autocomplete="off"
          spellcheck={false}
          aria-label="Token"
          aria-describedby="token-hint token-problem"
          aria-invalid={problem.value !== ''}
          value={text.value}
          onInput={({ currentTarget }) => (text.value = currentTarget.value)}
        />
        <p id="token-problem" class="problem" role="alert">
          {problem.value}
        </p>
        <p id="token-hint" class="hint">
          In Kubernetes, <code>kubectl create token NAME</code> prints one for the service account NAME;
          elsewhere the operator of the service has it. It is kept until you close this tab.
        </p>
        <div class="buttons">
          <button type="submit" class="primary" disabled={isBusy.value || text.value.trim() === ''}>
            Use token
          </button>
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
        </div>
      </form>
    </dialog>
  );
}

/** @returns why the service does not accept a token; empty: it does */
async function whyRefused(token: string): Promise<string> {
  // fetch would throw a TypeError.
  if (!/^[\x21-\x7e]+$/.test(token)) return 'A token has only letters, digits and punctuation.';
  try {
    await askWith(token, serviceUrl('captures'));
    return '';
  } catch (error) {
    if (!(error instanceof ServiceFailure)) throw error;
    return error.wantsToken
      ? 'The service does not accept this token. It may be wrong, or have expired.'
      : error.message;
  }
}
