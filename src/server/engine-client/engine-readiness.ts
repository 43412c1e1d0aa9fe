import type { EngineProblem } from '../../shared/protocol/protocol.js';
import type { PartReadiness, ReadinessCheck } from '../operations/readiness.js';

/** What counts of an engine's link here. */
interface Link {
  readonly connected: boolean;
  readonly problems?: readonly EngineProblem[];
}

/** The parts without which no capture can begin, and how each of them is. */
export function engineReadiness(links: readonly Link[]): [part: string, check: ReadinessCheck][] {
  return [
    ['engines', () => connectedEngines(links)],
    ['capabilities', () => whatEnginesSay(links, 'capabilities', 'engines have those that captures need')],
    ['libpcap', () => whatEnginesSay(links, 'libpcap', 'loaded')],
  ];
}

/** One will do: it carries many captures, and the supervisor brings the others back. */
function connectedEngines(links: readonly Link[]): PartReadiness {
  const connected = links.filter((link) => link.connected).length;
  return { ready: connected > 0, message: `${connected} of ${links.length} connected` };
}

/** All engines are the same program with the same privileges, so the first that has told anything tells for all. */
function whatEnginesSay(links: readonly Link[], part: EngineProblem['part'], well: string): PartReadiness {
  const problems = links.find((link) => link.problems)?.problems;
  if (!problems) return { ready: false, message: 'unknown: no engine has been connected yet' };
  const messages = problems.filter((problem) => problem.part === part).map(({ message }) => message);
  return messages.length === 0
    ? { ready: true, message: well }
    : { ready: false, message: messages.join('; ') };
}
