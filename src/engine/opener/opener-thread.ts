/**
 * A thread that may block: opening a ring takes the kernel up to 50 ms, and closing it 30 ms. Searching all of /proc may take
 * seconds, so an engine has one more of these threads for searches only. Such a thread also enters other network namespaces:
 * setns(2) moves a thread, not a process.
 */
import { MAX_SNAPSHOT_LENGTH } from '../../shared/protocol/limits.js';
import { closeSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { andPrograms, REJECT_ALL, withSnaplen } from '../filter/bpf-program.js';
import {
  activatePcap,
  closePcap,
  compileFilter,
  PcapError,
  pcapDatalink,
  setPcapFilter,
  type PcapOptions,
} from '../pcap/libpcap.js';
import {
  currentHolders,
  inNamespace,
  openNamespace,
  searchNamespaces,
} from '../../shared/linux/namespaces.js';
import type { Pointer } from '../../shared/linux/native.js';
import { listInterfaces } from '../../shared/linux/rtnetlink.js';
import {
  closePacketRing,
  createPacketRing,
  filterPacketRing,
  startPacketRing,
  type PacketRing,
} from '../ring/packet-ring.js';
import { LOADED } from '../../shared/threads.js';
import { whyNotAnInterfaceName } from '../../shared/protocol/capture-spec.js';
import type {
  FilterPlace,
  InterfaceFilter,
  OpenedInterface,
  OpenerCall,
  OpenerReply,
  OpenerTaskName,
  OpenerTasks,
} from './opener-tasks.js';

const PROC = '/proc';

/** CPU time: several times what a search of a large host takes. A user can have more descriptors than can be looked at. */
const MAX_SEARCH_MS = 1_000;

type Implementation<Name extends OpenerTaskName> = (
  argument: OpenerTasks[Name]['argument'],
) => OpenerTasks[Name]['result'];

const implementations: { [Name in OpenerTaskName]: Implementation<Name> } = {
  openNamespace({ reference, holder: known }) {
    const { fd, holder } = openNamespace(PROC, reference, known);
    try {
      const list = inNamespace(fd, listInterfaces);
      return { fd, holder, list };
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  },

  searchNamespaces(wanted) {
    return searchNamespaces(PROC, wanted, MAX_SEARCH_MS);
  },

  openInterface({ namespaceFd, method, options, filter }) {
    return inNamespace(namespaceFd, () => {
      const ring = method === 'ring' ? createPacketRing(options) : undefined;
      if (!ring) return openByLibpcap(options, filter);
      try {
        const dlt = ring.type.dlt;
        const filterPlace = filterRing(ring, forDlt(filter, dlt));
        startPacketRing(ring);
        return { source: { kind: 'ring', ring }, dlt, filterPlace };
      } catch (error) {
        closePacketRing(ring);
        throw error;
      }
    });
  },

  setFilter({ source, filter }) {
    return source.kind === 'ring' ? filterRing(source.ring, filter) : filterPcap(source.handle, filter);
  },

  closeInterfaces(sources) {
    for (const source of sources) {
      if (source.kind === 'ring') closePacketRing(source.ring);
      else closePcap(source.handle);
    }
  },

  checkHolders(namespaces) {
    return currentHolders(PROC, namespaces);
  },
};

/** @throws Error when libpcap would open something else than the interface of that name */
function openByLibpcap(options: PcapOptions, filter: InterfaceFilter): OpenedInterface {
  const problem = whyNotAnInterfaceName(options.interfaceName);
  if (problem !== undefined) throw new Error(`the name ${problem}`);
  const handle = activatePcap(options);
  try {
    const dlt = pcapDatalink(handle);
    const filterPlace = filterPcap(handle, forDlt(filter, dlt));
    return { source: { kind: 'libpcap', handle }, dlt, filterPlace };
  } catch (error) {
    closePcap(handle);
    throw error;
  }
}

/** Replaces a program that was compiled for another link type, which would be wrong, by one that rejects everything. */
function forDlt(filter: InterfaceFilter, dlt: number): InterfaceFilter {
  return dlt === filter.dlt ? filter : { ...filter, dlt, program: REJECT_ALL };
}

function filterRing(
  ring: PacketRing,
  { exclusion, dlt, program, snapshotLength }: InterfaceFilter,
): FilterPlace {
  const excluding = compileExclusion(exclusion, dlt);
  const whole = withSnaplen(andPrograms(excluding, program), snapshotLength);
  if (!whole || filterPacketRing(ring, whole)) return 'kernel';
  if (excluding) filterPacketRing(ring, excluding);
  return 'reader';
}

/** libpcap itself runs a program that the kernel does not accept. */
function filterPcap(
  handle: Pointer,
  { exclusion, dlt, program, snapshotLength }: InterfaceFilter,
): FilterPlace {
  const whole = withSnaplen(andPrograms(compileExclusion(exclusion, dlt), program), snapshotLength);
  if (whole) setPcapFilter(handle, whole);
  return 'kernel';
}

/** A link type that cannot carry TCP, such as CAN, needs no exclusion, and libpcap does not compile one for it. */
function compileExclusion(exclusion: string, dlt: number): Uint8Array | undefined {
  if (!exclusion) return undefined;
  try {
    return compileFilter(exclusion, dlt, MAX_SNAPSHOT_LENGTH);
  } catch (error) {
    if (error instanceof PcapError) return undefined;
    throw error;
  }
}

parentPort?.on('message', ({ task, argument }: OpenerCall) => {
  let reply: OpenerReply;
  try {
    reply = { result: (implementations[task] as (argument: unknown) => unknown)(argument) };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    reply = { error: { code: code ?? 'internal', message } };
  }
  parentPort?.postMessage(reply);
});
parentPort?.postMessage(LOADED);
