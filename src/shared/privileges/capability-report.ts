import type { CapabilityName, CapabilitySet } from './capabilities.js';

interface UsefulCapability {
  readonly name: CapabilityName;
  readonly optional: boolean;
  /** What engines, or the discoverer, cannot do without it; completes "without it ...". */
  readonly consequence: string;
}

const CAPABILITIES: readonly UsefulCapability[] = [
  { name: 'SYS_PTRACE', optional: false, consequence: 'network namespaces of processes cannot be found' },
  { name: 'SYS_ADMIN', optional: false, consequence: 'network namespaces cannot be entered' },
  { name: 'NET_RAW', optional: false, consequence: 'packets cannot be captured' },
  {
    name: 'DAC_READ_SEARCH',
    optional: true,
    consequence:
      'network namespaces that live only by an open file of another user, or in a folder closed to us, are not found',
  },
  {
    name: 'DAC_OVERRIDE',
    optional: true,
    consequence:
      'engines whose sockets are closed to us, as those of Docker and Podman are, tell no names of containers',
  },
];

/**
 * Says which capabilities are missing, what will not work and how to mend it, as lines to print at the start.
 * Empty: nothing is missing.
 */
export function describeMissingCapabilities(capabilities: CapabilitySet): string[] {
  const missing = CAPABILITIES.filter(({ name }) => !capabilities.has(name));
  if (missing.length === 0) return [];
  const lines = missing.map(({ name, optional, consequence }) =>
    optional
      ? `missing capability CAP_${name} (optional): ${consequence}`
      : `missing capability CAP_${name}: ${consequence}, so CAPTURES WILL NOT WORK`,
  );
  return [...lines, ...HOW_TO_MEND];
}

/** What a process cannot do that is to capture, one sentence for each capability that it lacks; optional ones left out. */
export function missingForCaptures(capabilities: CapabilitySet): string[] {
  return CAPABILITIES.filter(({ name, optional }) => !optional && !capabilities.has(name)).map(
    ({ name, consequence }) => `missing capability CAP_${name}: ${consequence}`,
  );
}

const NAMES = CAPABILITIES.map(({ name }) => name);
const AMBIENT = NAMES.map((name) => `+${name.toLowerCase()}`).join(',');
const HOW_TO_MEND = [
  'to mend it, one of these:',
  '  run it as root',
  `  in a container, as root:  docker run --pid host ${NAMES.map((name) => `--cap-add ${name}`).join(' ')} ...`,
  '  as another user, from a root shell:  setpriv --reuid USER --regid GROUP --clear-groups ' +
    `--inh-caps ${AMBIENT} --ambient-caps ${AMBIENT} -- npm start`,
];
