import { closeSync } from 'node:fs';
import { openRouteNetlink, receive, send, SystemError } from '../native/libc.js';
import { ReadinessWatch } from '../native/readiness.js';
import {
  linkDumpRequest,
  parseLinkMessages,
  RTMGRP_LINK,
  type Interface,
  type LinkEvent,
} from './rtnetlink.js';

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
  const fd = openRouteNetlink(RTMGRP_LINK);
  try {
    send(fd, linkDumpRequest());
    const known = new Map<number, Interface>();
    for (;;) {
      for (const event of receiveEvents(fd, true)) {
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
    try {
      for (const event of receiveEvents(this.list.fd, false)) this.apply(event);
    } catch {
      // ENOBUFS: the kernel had more to tell than its buffer holds. Ask for everything anew.
      this.resync = new Map();
      send(this.list.fd, linkDumpRequest());
      return;
    }
    this.onChange(this.interfaces);
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

function* receiveEvents(fd: number, wait: boolean): Generator<LinkEvent> {
  const length = receive(fd, datagram, wait);
  if (length > 0) yield* parseLinkMessages(datagram.subarray(0, Math.min(length, datagram.length)));
}
