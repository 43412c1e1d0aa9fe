import { closeSync } from 'node:fs';
import { openRouteNetlink, receive, send, SystemError } from '../../shared/linux/libc.js';
import { ReadinessWatch } from '../../shared/linux/readiness.js';
import {
  linkDumpRequest,
  parseLinkMessages,
  RTMGRP_LINK,
  type Interface,
  type LinkEvent,
} from '../../shared/linux/rtnetlink.js';

/** So many changes are taken note of before anybody acts on them. */
const MOST_DATAGRAMS_AT_ONCE = 256;

const MOST_ATTEMPTS = 5;

/** The kernel's datagrams are at most 32 KiB (NLMSG_GOODSIZE), whatever the number of interfaces. */
const datagram = Buffer.alloc(64 * 1024);

/** A descriptor that tells of all changes since `interfaces` was read. */
export interface InterfaceList {
  readonly fd: number;
  readonly interfaces: readonly Interface[];
}

/**
 * Lists the interfaces of the calling thread's network namespace and subscribes to their changes. Subscribing comes
 * first, so no change is missed in between.
 *
 * @throws SystemError
 */
export function listInterfaces(): InterfaceList {
  for (let attempt = 1; ; attempt++) {
    try {
      return listAtOnce();
    } catch (error) {
      // Changes came faster than they could be read.
      const overrun = error instanceof SystemError && error.code === 'ENOBUFS';
      if (!overrun || attempt === MOST_ATTEMPTS) throw error;
    }
  }
}

function listAtOnce(): InterfaceList {
  const fd = openRouteNetlink(RTMGRP_LINK);
  try {
    send(fd, linkDumpRequest());
    const known = new Map<number, Interface>();
    for (;;) {
      for (const event of parseDatagram(receive(fd, datagram, true))) {
        if (event.type === 'dump-done') return { fd, interfaces: [...known.values()] };
        if (event.type === 'failed') throw new SystemError('rtnetlink', event.errno);
        if (event.type === 'gone') known.delete(event.index);
        else known.set(event.interface.index, event.interface);
      }
    }
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Tells which interfaces a network namespace has from now on. Works from any thread and any namespace. */
export class InterfaceWatch {
  private readonly readiness: ReadinessWatch;
  private known = new Map<number, Interface>();
  /** Messages were lost since the last dump was asked for. */
  private lost = false;
  /** While a new dump is read after messages were lost: those seen in it. */
  private resync?: Map<number, Interface>;

  /** @param onChange called after every change with all interfaces that there are now */
  constructor(
    private readonly list: InterfaceList,
    private readonly onChange: (interfaces: readonly Interface[]) => void,
  ) {
    for (const each of list.interfaces) this.known.set(each.index, each);
    this.readiness = new ReadinessWatch(list.fd, () => this.read());
  }

  get interfaces(): readonly Interface[] {
    return [...this.known.values()];
  }

  close(): void {
    this.readiness.close();
    closeSync(this.list.fd);
  }

  private read(): void {
    let drained = false;
    for (let datagrams = 0; datagrams < MOST_DATAGRAMS_AT_ONCE && !drained; datagrams++) {
      try {
        const length = receive(this.list.fd, datagram, false);
        drained = length < 0;
        for (const event of parseDatagram(length)) this.apply(event);
      } catch {
        this.lost = true; // ENOBUFS: the kernel had more to tell than its buffer holds
      }
    }
    // The kernel makes one dump at a time; and what was lost while it was made may be missing in it.
    if (this.lost && drained && !this.resync) this.askAnew();
    this.readiness.resume(); // the kernel told of the loss as an error
    this.onChange(this.interfaces);
  }

  private askAnew(): void {
    try {
      send(this.list.fd, linkDumpRequest());
      this.resync = new Map();
      this.lost = false;
    } catch {
      // No memory for the request: with the next change.
    }
  }

  private apply(event: LinkEvent): void {
    switch (event.type) {
      case 'present':
        this.known.set(event.interface.index, event.interface);
        this.resync?.set(event.interface.index, event.interface);
        break;
      case 'gone':
        this.known.delete(event.index);
        this.resync?.delete(event.index);
        break;
      case 'dump-done':
        if (this.resync) this.known = this.resync;
        this.resync = undefined;
        break;
      case 'failed':
        this.resync = undefined; // a dump that was interrupted: what we know stays as it was
        break;
      default:
        event satisfies never;
    }
  }
}

/** @param length what `receive` said: -1 for nothing */
function parseDatagram(length: number): Iterable<LinkEvent> {
  return parseLinkMessages(datagram.subarray(0, Math.max(0, Math.min(length, datagram.length))));
}
