import { Injectable } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { pathOf } from './request-target.js';

/** Takes over the socket of a websocket request. `head` holds bytes that arrived together with the request. */
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** Excludes paths from a route, for example those of controllers. */
export type PathCondition = (path: string) => boolean;

interface ConditionalRoute {
  readonly handler: UpgradeHandler;
  readonly wants: PathCondition;
}

const EVERYTHING: PathCondition = () => true;

/**
 * The table of websocket routes: exact paths have priority, then the longest prefix, then the fallback. Gateways are
 * added automatically (see UpgradeWsAdapter); other modules add their routes in `onModuleInit`.
 *
 * @publicApi
 */
@Injectable()
export class UpgradeRoutes {
  private readonly exactPaths = new Map<string, UpgradeHandler>();
  private readonly prefixes = new Map<string, ConditionalRoute>();
  private fallbackRoute?: ConditionalRoute;

  /** Adds a route for exactly this path, with any query. @throws Error if the path has a route already */
  exact(path: string, handler: UpgradeHandler): void {
    this.assertFree(path, this.exactPaths);
    this.exactPaths.set(path, handler);
  }

  /** Adds a route for this path and everything below it. @throws Error if the prefix has a route already */
  prefix(path: string, handler: UpgradeHandler, wants = EVERYTHING): void {
    this.assertFree(path, this.prefixes);
    this.prefixes.set(path, { handler, wants });
  }

  /** Sets the route for paths that have no other route. @throws Error if there is a fallback already */
  fallback(handler: UpgradeHandler, wants = EVERYTHING): void {
    if (this.fallbackRoute) throw new Error('websocket requests already have a fallback');
    this.fallbackRoute = { handler, wants };
  }

  /** Returns the handler for a request target; undefined if the target is not a websocket of this service. */
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

  private assertFree(path: string, taken: ReadonlyMap<string, unknown>): void {
    if (taken.has(path)) throw new Error(`the path ${path} already has a websocket route`);
  }
}
