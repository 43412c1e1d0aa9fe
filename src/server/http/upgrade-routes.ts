import { Injectable } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { pathOf } from './request-target.js';

/** Takes over the socket of a websocket request; `head` is what came behind the request already. */
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** Whether a path is really wanted, seen that others answer ordinary requests next to it. */
export type PathCondition = (path: string) => boolean;

interface WideRoute {
  readonly handler: UpgradeHandler;
  readonly wants: PathCondition;
}

const EVERYTHING: PathCondition = () => true;

/**
 * Which websocket path belongs to whom: exact paths first, then the longest prefix, then the fallback.
 * Gateways get here by themselves (see UpgradeWsAdapter); proxies add their routes in `onModuleInit`.
 *
 * @publicApi
 */
@Injectable()
export class UpgradeRoutes {
  private readonly exactPaths = new Map<string, UpgradeHandler>();
  private readonly prefixes = new Map<string, WideRoute>();
  private fallbackRoute?: WideRoute;

  /** Exactly this path, query not counted. */
  exact(path: string, handler: UpgradeHandler): void {
    this.refuseTwice(path, this.exactPaths);
    this.exactPaths.set(path, handler);
  }

  /** This path and everything below it that is wanted. */
  prefix(path: string, handler: UpgradeHandler, wants = EVERYTHING): void {
    this.refuseTwice(path, this.prefixes);
    this.prefixes.set(path, { handler, wants });
  }

  /** Every path that nobody else has, if it is wanted. */
  fallback(handler: UpgradeHandler, wants = EVERYTHING): void {
    if (this.fallbackRoute) throw new Error('There is a fallback for websocket requests already');
    this.fallbackRoute = { handler, wants };
  }

  /** Who serves this request target; undefined: nobody, so it is no websocket of ours. */
  find(target: string): UpgradeHandler | undefined {
    const path = pathOf(target);
    if (path === undefined) return undefined;
    const exact = this.exactPaths.get(path);
    if (exact) return exact;
    const [longest] = [...this.prefixes.keys()]
      .filter((prefix) => path === prefix || path.startsWith(`${prefix}/`))
      .sort((one, other) => other.length - one.length);
    const route = longest === undefined ? this.fallbackRoute : this.prefixes.get(longest);
    return route?.wants(path) ? route.handler : undefined;
  }

  private refuseTwice(path: string, taken: ReadonlyMap<string, unknown>): void {
    if (taken.has(path)) throw new Error(`There is a websocket route for ${path} already`);
  }
}
