import { Injectable } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

/** Takes over the socket of a websocket request; `head` is what came behind the request already. */
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/**
 * Which websocket path belongs to whom: exact paths first, then the longest prefix, then the fallback.
 * Gateways get here by themselves (see UpgradeWsAdapter); proxies add their routes in `onModuleInit`.
 *
 * @publicApi
 */
@Injectable()
export class UpgradeRoutes {
  private readonly exactPaths = new Map<string, UpgradeHandler>();
  private readonly prefixes = new Map<string, UpgradeHandler>();
  private fallbackHandler?: UpgradeHandler;

  /** Exactly this path, query not counted. */
  exact(path: string, handler: UpgradeHandler): void {
    this.refuseTwice(path, this.exactPaths);
    this.exactPaths.set(path, handler);
  }

  /** This path and everything below it. */
  prefix(path: string, handler: UpgradeHandler): void {
    this.refuseTwice(path, this.prefixes);
    this.prefixes.set(path, handler);
  }

  /** Every path that nobody else wants. */
  fallback(handler: UpgradeHandler): void {
    if (this.fallbackHandler) throw new Error('There is a fallback for websocket requests already');
    this.fallbackHandler = handler;
  }

  /** Who serves this request target; undefined: nobody, so it is no websocket of ours. */
  find(target: string): UpgradeHandler | undefined {
    const [path = ''] = target.split('?', 1);
    const exact = this.exactPaths.get(path);
    if (exact) return exact;
    const [longest] = [...this.prefixes.keys()]
      .filter((prefix) => path === prefix || path.startsWith(`${prefix}/`))
      .sort((one, other) => other.length - one.length);
    return longest === undefined ? this.fallbackHandler : this.prefixes.get(longest);
  }

  private refuseTwice(path: string, taken: ReadonlyMap<string, UpgradeHandler>): void {
    if (taken.has(path)) throw new Error(`There is a websocket route for ${path} already`);
  }
}
