/**
 * A thread that may stand still: opening a ring takes the kernel up to 50 ms, closing it 30 ms, and looking through
 * all of /proc may take 100 ms. It is also the thread that visits other network namespaces: setns(2)
 * moves a thread, not a process.
 */
import { closeSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { both, cutting, REJECT_ALL } from '../filter/bpf-program.js';
import { listInterfaces } from '../interfaces/interface-watch.js';
import {
  activatePcap,
  closePcap,
  compileFilter,
  PcapError,
  pcapDatalink,
  setPcapFilter,
} from '../native/libpcap.js';
import { findAnotherHolder, openNamespace, stillHolds } from '../namespaces/open-namespace.js';
import { inNamespace } from '../namespaces/visit.js';
import { MAX_SNAPSHOT_LENGTH } from '../protocol.js';
import type {
  InterfaceFilter,
  OpenerCall,
  OpenerReply,
  OpenerTaskName,
  OpenerTasks,
} from './opener-tasks.js';

const PROC = '/proc';

type Implementation<Name extends OpenerTaskName> = (
  argument: OpenerTasks[Name]['argument'],
) => OpenerTasks[Name]['result'];

const implementations: { [Name in OpenerTaskName]: Implementation<Name> } = {
  openNamespace(reference) {
    const { fd, holder } = openNamespace(PROC, reference);
    try {
      const { fd: watchFd, interfaces } = inNamespace(fd, listInterfaces);
      return { fd, holder, watchFd, interfaces };
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  },

  openInterface({ namespaceFd, options, filter }) {
    const handle = inNamespace(namespaceFd, () => activatePcap(options));
    try {
      const linkType = pcapDatalink(handle);
      setFilter(handle, linkType === filter.linkType ? filter : { ...filter, linkType, program: REJECT_ALL });
      return { handle, linkType };
    } catch (error) {
      closePcap(handle);
      throw error;
    }
  },

  setFilter({ handle, filter }) {
    setFilter(handle, filter);
  },

  closeInterfaces(handles) {
    for (const handle of handles) closePcap(handle);
  },

  checkHolders(namespaces) {
    return namespaces.map(({ netns, holder }) =>
      stillHolds(PROC, holder, netns) ? holder : findAnotherHolder(PROC, netns),
    );
  },
};

function setFilter(handle: bigint, { exclusion, linkType, program, snapshotLength }: InterfaceFilter): void {
  const whole = cutting(both(compileExclusion(exclusion, linkType), program), snapshotLength);
  if (whole) setPcapFilter(handle, whole);
}

/** A link type that knows no TCP, such as a CAN bus, does not carry our connections either. */
function compileExclusion(exclusion: string, linkType: number): Uint8Array | undefined {
  if (!exclusion) return undefined;
  try {
    return compileFilter(exclusion, linkType, MAX_SNAPSHOT_LENGTH);
  } catch (error) {
    if (error instanceof PcapError) return undefined;
    throw error;
  }
}

parentPort?.on('message', ({ id, task, argument }: OpenerCall) => {
  let reply: OpenerReply;
  try {
    reply = { id, result: (implementations[task] as (argument: unknown) => unknown)(argument) };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    reply = { id, error: { code: code ?? 'internal', message } };
  }
  parentPort?.postMessage(reply);
});
