import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { CapabilitySet } from './capabilities.js';

/** A program and its arguments. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
}

/**
 * Ends a child when the supervisor's main thread ends, SIGKILL included: PR_SET_PDEATHSIG(2const). Node starts
 * all children from its main thread, so thread and process are the same here. An exec of a file with
 * capabilities clears it; the lifeline (see child-process.ts) is the second net.
 */
const DIE_WITH_PARENT = ['--pdeathsig', 'KILL'];

/** Wraps the command of an engine or the discovery process: it keeps our privileges, and shares our end. */
export function asEngine(command: Command): Command {
  return wrap(DIE_WITH_PARENT, command);
}

/**
 * Wraps the front's command: it gets no privileges at all. Emptying the bounding set needs CAP_SETPCAP; asking
 * for it without changes nothing or fails, depending on the version of setpriv. Without it uid 0 keeps its
 * capabilities, which the front notices itself and refuses to serve.
 */
export function asFront(command: Command, ours: CapabilitySet): Command {
  const boundingSet = ours.has('SETPCAP') ? ['--bounding-set=-all'] : [];
  return wrap(
    ['--inh-caps=-all', '--ambient-caps=-all', ...boundingSet, '--no-new-privs', ...DIE_WITH_PARENT],
    command,
  );
}

function wrap(options: readonly string[], command: Command): Command {
  return { file: 'setpriv', args: [...options, '--', command.file, ...command.args] };
}

/** Whether setpriv(1) is in one of the folders of `searchPath` (the variable PATH). */
export function hasSetpriv(searchPath: string): boolean {
  return searchPath.split(delimiter).some((folder) => isExecutable(join(folder, 'setpriv')));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
