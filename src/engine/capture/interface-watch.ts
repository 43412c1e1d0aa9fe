import { closeSync } from 'node:fs';
import { ReadinessWatch } from '../../shared/linux/native.js';
import {
  receiveLinkEvents,
  requestLinkDump,
  type Interface,
  type InterfaceList,
  type LinkEvent,
} from '../../shared/linux/rtnetlink.js';

/** Datagrams that are read before `onChange` is called. */
const MAX_DATAGRAMS_PER_READ = 256;

/** Minimum time between two calls of `onChange`, each of which looks at all interfaces: they may change all the time. */
const MIN_INTERVAL_MS = 50;

/** When to list the interfaces again after the list changed while the kernel made it, so that some may be missing. */
const NEXT_LIST_MS = 1_000;

/** Keeps track of the interfaces of a network namespace, in which the calling thread need not be. */
export class InterfaceWatch {
  private readonly readiness: ReadinessWatch;
  private known = new Map<number, Interface>();
  /** Messages were lost since the last dump was requested. */
  private lost = false;
  /** While a new dump is read after messages were lost: the interfaces seen in it. */
  private resync?: Map<number, Interface>;
  private changeTimer?: NodeJS.Timeout;
  private changedAtMs = -Infinity;
  private listTimer?: NodeJS.Timeout;

  /**
   * @param list from now on owned by this
   * @param onChange called soon after every change with the interfaces that exist now
   */
  constructor(
    private readonly list: InterfaceList,
    private readonly onChange: (interfaces: readonly Interface[]) => void,
  ) {
    for (const each of list.interfaces) this.known.set(each.index, each);
    this.readiness = new ReadinessWatch(list.fd, () => this.read());
    if (!list.isConsistent) this.listLater();
  }

  get interfaces(): readonly Interface[] {
    return [...this.known.values()];
  }

  close(): void {
    clearTimeout(this.changeTimer);
    clearTimeout(this.listTimer);
    this.readiness.close();
    closeSync(this.list.fd);
  }

  private read(): void {
    let drained = false;
    for (let datagrams = 0; datagrams < MAX_DATAGRAMS_PER_READ && !drained; datagrams++) {
      try {
        const events = receiveLinkEvents(this.list.fd, false);
        drained = events === undefined;
        for (const event of events ?? []) this.apply(event);
      } catch {
        this.lost = true; // ENOBUFS: there were more messages than the socket's buffer holds
      }
    }
    // The kernel makes one dump at a time, and what was lost while it was made may be missing in it.
    if (this.lost && drained && !this.resync) this.requestAgain();
    this.readiness.resume(); // the kernel reported the loss as an error of the socket
    this.reportChange();
  }

  private reportChange(): void {
    if (this.changeTimer) return;
    const waitMs = this.changedAtMs + MIN_INTERVAL_MS - performance.now();
    if (waitMs > 0) this.changeTimer = setTimeout(() => this.reportNow(), waitMs);
    else this.reportNow();
  }

  private reportNow(): void {
    this.changeTimer = undefined;
    this.changedAtMs = performance.now();
    this.onChange(this.interfaces);
  }

  private listLater(): void {
    this.listTimer ??= setTimeout(() => {
      this.listTimer = undefined;
      this.lost = true;
      this.read();
    }, NEXT_LIST_MS);
  }

  private requestAgain(): void {
    try {
      requestLinkDump(this.list.fd);
      this.resync = new Map();
      this.lost = false;
    } catch {
      // ENOBUFS or ENOMEM: no memory for the request. The next change tries again.
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
      case 'inconsistent':
        this.listLater();
        break;
      case 'dump-done':
        if (this.resync) this.known = this.resync;
        this.resync = undefined;
        break;
      case 'failed':
        this.resync = undefined; // the dump was interrupted: keep what is known
        break;
      default:
        event satisfies never;
    }
  }
}
