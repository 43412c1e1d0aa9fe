import type { CaptureParameters } from '../service.js';

export interface WatchViewProps {
  readonly parameters: CaptureParameters;
  readonly title: string;
  readonly onClose: () => void;
}

/** Shows the packets of a capture as they come. */
export function WatchView({ title, onClose }: WatchViewProps) {
  return (
    <section aria-label="Packets">
      <h2>{title}</h2>
      <button type="button" onClick={onClose}>
        Close
      </button>
    </section>
  );
}
