import { RequestMethod, type INestApplication, type Type } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { ModulesContainer, Reflector } from '@nestjs/core';
import { Described, type OperationDescription } from '../../src/server/http/described.js';

/** A method of a controller, as Nest serves it. */
export interface HttpRoute {
  readonly path: string;
  /** In lower case, as OpenAPI has it. */
  readonly method: string;
  readonly description: OperationDescription;
}

/**
 * All routes of the controllers of an application, in the order of their paths.
 *
 * @throws Error where one is not described
 */
export function httpRoutes(app: INestApplication): HttpRoute[] {
  const controllers = [...app.get(ModulesContainer).values()]
    .flatMap((module) => [...module.controllers.values()])
    .map(({ metatype }) => metatype as Type);
  return controllers.flatMap(routesOf).sort((one, other) => one.path.localeCompare(other.path));
}

function routesOf(controller: Type): HttpRoute[] {
  const prototype = controller.prototype as Record<string, object>;
  return Object.getOwnPropertyNames(prototype).flatMap((name) => {
    const handler = prototype[name]!;
    const method = Reflect.getMetadata(METHOD_METADATA, handler) as RequestMethod | undefined;
    if (method === undefined) return [];
    const description = new Reflector().get(Described, handler as () => unknown) as
      OperationDescription | undefined;
    if (!description) throw new Error(`${controller.name}.${name} has no @Described`);
    const paths = pathsOf(controller).flatMap((base) => pathsOf(handler).map((path) => joined(base, path)));
    return paths.map((path) => ({ path, method: RequestMethod[method].toLowerCase(), description }));
  });
}

function pathsOf(decorated: object): string[] {
  return [Reflect.getMetadata(PATH_METADATA, decorated) as string | string[]].flat();
}

function joined(...parts: string[]): string {
  return `/${parts
    .flatMap((part) => part.split('/'))
    .filter(Boolean)
    .join('/')}`;
}
