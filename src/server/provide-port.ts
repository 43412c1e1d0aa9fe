import type { FactoryProvider, Provider, Type, ValueProvider } from '@nestjs/common';

/**
 * How to make an implementation of a port: a class, or a Nest factory or value provider without its token.
 *
 * @publicApi
 */
export type Implementation<Port> =
  Type<Port> | Omit<FactoryProvider<Port>, 'provide'> | Omit<ValueProvider<Port>, 'provide'>;

/** Makes the Nest provider of a port. Ports are abstract classes, which are their own injection tokens. */
export function providePort<Port>(
  port: abstract new (...args: never[]) => Port,
  implementation: Implementation<Port>,
): Provider<Port> {
  return typeof implementation === 'function'
    ? { provide: port, useClass: implementation }
    : { provide: port, ...implementation };
}
