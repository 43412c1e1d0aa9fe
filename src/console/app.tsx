import { useLayoutEffect, useRef } from 'preact/hooks';
import { accessProblem, asksForToken, forgetToken, token } from './access.js';
import { CapturePanel } from './capture/capture-panel.js';
import icon from './icon.svg';
import { countText } from './numbers.js';
import { RunningPanel } from './running/running-panel.js';
import { announcement, connection, containerCount, list, version, watched } from './store.js';
import { TargetsPanel } from './targets/targets-panel.js';
import { TokenDialog } from './token-dialog.js';
import { visibleText } from './visible-text.js';
import { WatchView } from './watch/watch-view.js';

/** The whole page. */
export function App() {
  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <PageHeader />
      <Main />
      <Watched />
      {asksForToken.value && <TokenDialog />}
      <p class="sr-only" role="status">
        {announcement.value}
      </p>
    </>
  );
}

function PageHeader() {
  return (
    <header class="page">
      <img src={icon} alt="" width="22" height="22" />
      <h1>Packetflix</h1>
      <span class="hint">{visibleText(version.value, 40)}</span>
      <span class={`connection ${connection.value.kind}`}>{connectionText()}</span>
      <TokenButton />
    </header>
  );
}

function TokenButton() {
  if (token.value === '') return null;
  return (
    <button type="button" onClick={forgetToken}>
      Forget token
    </button>
  );
}

function connectionText(): string {
  if (accessProblem.value !== '') return 'No access';
  if (connection.value.kind === 'lost') return 'Connection lost';
  if (connection.value.kind === 'connecting' || !list.value) return 'Connecting…';
  return `Live · ${countText(containerCount.value, 'container or pod', 'containers and pods')}`;
}

function Main() {
  return (
    <main id="main" tabIndex={-1}>
      <TargetsPanel />
      <CapturePanel />
      <RunningPanel />
    </main>
  );
}

/** The packets of a capture, which cover the page. */
function Watched() {
  const { value } = watched;
  const opener = useRef<HTMLElement | null>(null);
  if (value && !opener.current && document.activeElement instanceof HTMLElement) {
    opener.current = document.activeElement;
  }
  useLayoutEffect(() => {
    if (value) return;
    opener.current?.focus();
    opener.current = null;
  }, [value]);
  return value ? <WatchView {...value} onClose={() => (watched.value = undefined)} /> : null;
}
