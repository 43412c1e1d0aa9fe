import { useSignal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { CaptureParameters } from '../capture/capture-request.js';
import { bytesText, countText, numberText } from '../numbers.js';
import { PacketDetails } from './packet-details.js';
import { PacketTable } from './packet-table.js';
import { TrafficPicture } from './traffic-picture.js';
import { visibleText } from '../visible-text.js';
import { WatchModel } from './watch-model.js';
import './watch.css';

const MAX_TITLE_CHARACTERS = 120;
/** A set of targets can have thousands of interfaces. */
const MAX_INTERFACES = 100;
/** The share of the details in the height of list and details. */
const DETAILS_SHARE = 0.42;

export interface WatchViewProperties {
  readonly parameters: CaptureParameters;
  /** What is captured, for people. */
  readonly title: string;
  readonly onClose: () => void;
}

/** Captures with these parameters, and shows the packets as they come. It covers the page, and ends the capture when it is removed. */
export function WatchView({ parameters, title, onClose }: WatchViewProperties) {
  const [model, setModel] = useState<WatchModel>();
  const dialog = useRef<HTMLDialogElement>(null);

  useEffect(() => {
    const created = new WatchModel(parameters);
    setModel(created);
    return () => created.close();
  }, []);
  useLayoutEffect(() => {
    if (!model) return;
    dialog.current?.showModal();
    focusList(dialog.current);
  }, [model]);

  // Escape only closes the details, so that pressing it by mistake does not end the capture.
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Escape' || !model) return;
    event.preventDefault();
    if (!model.detailsOpen.value) return;
    model.detailsOpen.value = false;
    focusList(dialog.current);
  };

  return (
    <dialog
      ref={dialog}
      class="watch"
      aria-labelledby="watch-title"
      onKeyDown={onKeyDown}
      onCancel={(event) => event.preventDefault()}
      onClose={onClose}
    >
      {model && (
        <>
          <Toolbar
            model={model}
            title={visibleText(title, MAX_TITLE_CHARACTERS)}
            onClose={() => dialog.current?.close()}
          />
          <FilterBar model={model} />
          <Panes model={model} />
          <StatusBar model={model} />
        </>
      )}
    </dialog>
  );
}

/** The packets, and below them the selected one. */
function Panes({ model }: { readonly model: WatchModel }) {
  const share = useSignal(DETAILS_SHARE);
  const panes = useRef<HTMLDivElement>(null);
  const isOpen = model.detailsOpen.value && model.selected.value !== undefined;

  const resize = (wanted: number) => (share.value = Math.min(0.8, Math.max(0.15, wanted)));
  const onPointerMove = (event: PointerEvent) => {
    const separator = event.currentTarget as HTMLElement;
    if (!separator.hasPointerCapture(event.pointerId)) return;
    const { bottom, height } = panes.current!.getBoundingClientRect();
    resize((bottom - event.clientY) / height);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowUp: 0.05, ArrowDown: -0.05 }[event.key];
    if (step === undefined) return;
    resize(share.value + step);
    event.preventDefault();
  };

  return (
    <div ref={panes} class="watch-panes" style={{ '--details': `${share.value * 100}%` }}>
      <PacketTable model={model} />
      {isOpen && (
        <div
          class="watch-separator"
          role="separator"
          aria-label="Height of the details"
          aria-orientation="horizontal"
          aria-valuenow={Math.round(share.value * 100)}
          tabIndex={0}
          onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
          onPointerMove={onPointerMove}
          onKeyDown={onKeyDown}
        />
      )}
      <PacketDetails model={model} />
    </div>
  );
}

function focusList(dialog: HTMLDialogElement | null): void {
  dialog?.querySelector<HTMLElement>('[role=grid]')?.focus();
}

function Toolbar({
  model,
  title,
  onClose,
}: {
  readonly model: WatchModel;
  readonly title: string;
  readonly onClose: () => void;
}) {
  const { capture, follow, paused } = model;
  const hasEnded = capture.state.value.phase === 'ended';
  return (
    <header class="watch-toolbar">
      <h2 id="watch-title">{title}</h2>
      <CaptureStateText model={model} />
      <div class="watch-buttons" role="group" aria-label="Packet list">
        <button
          type="button"
          title="Scroll to the newest packet"
          aria-pressed={follow.value}
          onClick={() => (follow.value = !follow.value)}
        >
          Follow
        </button>
        <button
          type="button"
          title="Freezes the list; the capture goes on"
          aria-pressed={paused.value}
          onClick={() => model.togglePause()}
        >
          Pause
        </button>
        <button type="button" onClick={() => model.clear()}>
          Clear
        </button>
        <button
          type="button"
          title="Download the packets that are kept as a pcapng file"
          onClick={() => save(model, title)}
        >
          Save
        </button>
        <button type="button" title="End the capture" disabled={hasEnded} onClick={() => capture.stop()}>
          Stop
        </button>
      </div>
      <button type="button" class="watch-close" onClick={onClose}>
        Close
      </button>
    </header>
  );
}

function CaptureStateText({ model }: { readonly model: WatchModel }) {
  const state = model.capture.state.value;
  const kind = state.phase === 'ended' && state.failed ? 'failed' : state.phase;
  const text =
    state.phase === 'ended'
      ? state.reason
      : state.phase === 'connecting'
        ? 'Connecting'
        : model.paused.value
          ? 'Capturing, the list is paused'
          : 'Capturing';
  return (
    <p class={`watch-state watch-state-${kind}`} role="status">
      {text}
    </p>
  );
}

function FilterBar({ model }: { readonly model: WatchModel }) {
  const { dissection, filterText } = model;
  const isOn = model.isDissecting.value;
  const state = model.filterState.value;
  return (
    <div class="watch-filter">
      <input
        type="search"
        class={`watch-filter-${state.kind}`}
        aria-label="Display filter"
        aria-invalid={state.kind === 'invalid'}
        aria-describedby="watch-filter-message"
        placeholder={
          isOn ? 'Display filter, such as tcp.port == 80' : 'Display filter: needs Wireshark’s dissectors'
        }
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        maxLength={4000}
        disabled={!isOn}
        value={filterText.value}
        onInput={({ currentTarget }) => model.setFilterText(currentTarget.value)}
      />
      <DissectorChoice model={model} />
      <p id="watch-filter-message" role="status">
        {state.kind === 'invalid' && state.message}
        {dissection.value.phase === 'failed' && failureText(dissection.value.message)}
      </p>
    </div>
  );
}

function failureText(message: string): string {
  return `Wireshark’s dissectors have failed, so the list has headers only. ${visibleText(message, 200)}`;
}

function DissectorChoice({ model }: { readonly model: WatchModel }) {
  const dissection = model.dissection.value;
  const start = () => void model.startDissectors();
  switch (dissection.phase) {
    case 'off':
      return (
        <button type="button" class="watch-prominent" onClick={start}>
          Load Wireshark’s dissectors (19 MB)
        </button>
      );
    case 'failed':
      return (
        <button type="button" class="watch-prominent" onClick={start}>
          Load the dissectors again
        </button>
      );
    case 'loading':
      return (
        <label class="watch-loading">
          {dissection.share < 1 ? 'Loading the dissectors' : 'Starting the dissectors'}
          <progress value={dissection.share} />
        </label>
      );
    case 'missing':
      return <span class="watch-note">Wireshark’s dissectors are not installed in this service.</span>;
    case 'on':
      return (
        <span class="watch-note">
          Dissected by Wireshark {dissection.version}
          <button type="button" onClick={() => model.switchDissectorsOff()}>
            Headers only
          </button>
        </span>
      );
  }
}

function StatusBar({ model }: { readonly model: WatchModel }) {
  const isOpen = useSignal(false);
  void model.counted.value;
  const { capture } = model;
  const list = model.list.value;
  const { packets, bytes } = capture.traffic.rates(performance.now());
  const captured = capture.window.next - 1;
  return (
    <footer class="watch-footer">
      {isOpen.value && <Statistics model={model} />}
      <div class="watch-status">
        <button
          type="button"
          aria-expanded={isOpen.value}
          aria-controls="watch-statistics"
          onClick={() => (isOpen.value = !isOpen.value)}
        >
          Statistics
        </button>
        <dl>
          <Counter name="Captured" value={`${countText(captured, 'packet')} (${bytesText(capture.bytes)})`} />
          <Counter
            name="Kept"
            value={`${numberText(capture.window.count)} (${bytesText(capture.window.bytes)})`}
          />
          {list.filter && <Counter name="Displayed" value={numberText(list.count)} />}
          <Counter name="Dropped" value={numberText(capture.dropped)} isBad={capture.dropped > 0} />
        </dl>
        <FieldFilter model={model} />
        <TrafficPicture
          what="Packets per second"
          values={packets}
          text={(value) => `${numberText(value)} packets/s`}
        />
        <TrafficPicture what="Bytes per second" values={bytes} text={(value) => `${bytesText(value)}/s`} />
      </div>
    </footer>
  );
}

function Counter({
  name,
  value,
  isBad = false,
}: {
  readonly name: string;
  readonly value: string;
  readonly isBad?: boolean;
}) {
  return (
    <div class={isBad ? 'watch-bad' : undefined}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** The display filter of the selected field, as in Wireshark's status bar. */
function FieldFilter({ model }: { readonly model: WatchModel }) {
  const filter = model.detailsOpen.value && model.selectedField.value?.filter;
  return (
    <span class="watch-field-filter">
      {filter && (
        <button type="button" title="Use as display filter" onClick={() => model.setFilterText(filter)}>
          {filter}
        </button>
      )}
    </span>
  );
}

function Statistics({ model }: { readonly model: WatchModel }) {
  const { interfaces, comments } = model.capture;
  const busiest = interfaces.toSorted((one, other) => other.packets - one.packets).slice(0, MAX_INTERFACES);
  return (
    <section id="watch-statistics" class="watch-statistics" aria-label="Statistics" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">Interface</th>
            <th scope="col">Packets</th>
            <th scope="col">Bytes</th>
            <th scope="col">Dropped</th>
          </tr>
        </thead>
        <tbody>
          {busiest.map(({ captured, name, description, packets, bytes, dropped }) => (
            <tr key={captured.id}>
              <th scope="row" title={description}>
                {name}
              </th>
              <td>{numberText(packets)}</td>
              <td>{bytesText(bytes)}</td>
              <td class={dropped > 0 ? 'watch-bad' : undefined}>{numberText(dropped)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {interfaces.length > MAX_INTERFACES && (
        <p>{countText(interfaces.length - MAX_INTERFACES, 'interface')} more, with fewer packets.</p>
      )}
      {comments.length > 0 && (
        <div>
          <h3>Comments in the stream</h3>
          <ul>
            {comments.map((comment, index) => (
              <li key={index}>{comment}</li>
            ))}
          </ul>
        </div>
      )}
    </section>
  );
}

/** Downloads the packets that are kept, also those that do not match the display filter. */
function save(model: WatchModel, title: string): void {
  const url = URL.createObjectURL(new Blob([model.file()], { type: 'application/vnd.tcpdump.pcap' }));
  const link = document.createElement('a');
  link.href = url;
  const time = new Date().toISOString().slice(0, 19).replaceAll(':', '');
  link.download = `${title.replace(/[^\w.-]+/g, '-').slice(0, 80)}-${time}.pcapng`;
  link.click();
  // The download has begun by then.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
