import { useEffect, useRef } from 'preact/hooks';
import type { CaptureParameters } from '../service.js';

export interface WatchViewProps {
  readonly parameters: CaptureParameters;
  readonly title: string;
  readonly onClose: () => void;
}

/** Shows the packets of a capture as they come. */
export function WatchView({ title, onClose }: WatchViewProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-label="Packets" onClose={onClose}>
      <h2>{title}</h2>
      <button type="button" onClick={onClose}>
        Close
      </button>
    </dialog>
  );
}
