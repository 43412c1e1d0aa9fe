import type { CapabilityName } from './capabilities.js';

/** The processes of the service. */
export type Role = 'supervisor' | 'server' | 'engine' | 'discoverer' | 'filter compiler';

const ENGINE = ['SYS_PTRACE', 'SYS_ADMIN', 'NET_RAW', 'DAC_READ_SEARCH'] as const;
/** DAC_OVERRIDE opens the sockets of container engines, which belong to root or to a group of their own. */
const DISCOVERY = ['SYS_PTRACE', 'SYS_ADMIN', 'DAC_READ_SEARCH', 'DAC_OVERRIDE'] as const;

/**
 * What each role may keep of the powers that the service was started with, and nothing else. What for is told in
 * the README; which of them a capture cannot do without, in capability-report.ts.
 */
export const ROLE_CAPABILITIES: Readonly<Record<Role, readonly CapabilityName[]>> = {
  // What it hands on; and SETPCAP, to empty the bounding sets of the others.
  supervisor: [...new Set([...ENGINE, ...DISCOVERY, 'SETPCAP' as const])],
  server: [],
  engine: ENGINE,
  discoverer: DISCOVERY,
  'filter compiler': [],
};
