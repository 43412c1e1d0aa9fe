import { useState } from 'preact/hooks';
import { WatchView } from './watch/watch-view.js';

/** Temporary: the view of a capture with the parameters of the query. */
export function App() {
  const [isOpen, setOpen] = useState(true);
  const { title = 'Capture', ...parameters } = Object.fromEntries(new URLSearchParams(location.search));
  if (!isOpen) return <h1>Closed</h1>;
  return <WatchView parameters={parameters} title={title} onClose={() => setOpen(false)} />;
}
