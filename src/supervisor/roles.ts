import { fileURLToPath } from 'node:url';

/** A program and its arguments. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
}

const PROGRAM = fileURLToPath(new URL('../main.js', import.meta.url));

/**
 * SIGUSR1 makes Node.js listen for a debugger that may run anything, and whoever is the same user may send it: the
 * server to an engine.
 */
export const NO_DEBUGGER = '--disable-sigusr1';

/** The command of this same program in another role. */
export function inRole(role: 'engine' | 'discoverer' | 'server', args: readonly string[]): Command {
  return { file: process.execPath, args: [NO_DEBUGGER, PROGRAM, role, ...args] };
}

/** The command of the whole service, once more. */
export function asSupervisor(args: readonly string[]): Command {
  return { file: process.execPath, args: [NO_DEBUGGER, PROGRAM, ...args] };
}

/** The command that does nothing but read the code. */
export const READING_THE_CODE: Command = { file: process.execPath, args: [PROGRAM, '--version'] };
