import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';

/** What Express keeps of a route that a controller has registered; middleware has no `route`. */
interface Layer {
  readonly route?: object;
  match(path: string): boolean;
}

/** Knows which paths controllers of this service answer, those of modules that teams have added among them. */
@Injectable()
export class OwnRoutes {
  constructor(private readonly adapterHost: HttpAdapterHost) {}

  /** Whatever the method: what is ours stays ours, even where it refuses to `POST`. */
  has(path: string): boolean {
    const { router } = this.adapterHost.httpAdapter.getInstance<{ router: { stack: readonly Layer[] } }>();
    return router.stack.some((layer) => layer.route !== undefined && matches(layer, path));
  }
}

function matches(layer: Layer, path: string): boolean {
  try {
    return layer.match(path);
  } catch {
    // A parameter that cannot be decoded: the route is meant, and Express will answer 400.
    return true;
  }
}
