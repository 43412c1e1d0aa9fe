import type { ServiceConfig } from '../config/service.config.js';

/** Where the paths for operators are served. */
export type OperatorPlace =
  | { readonly kind: 'nowhere' }
  /** Beside the other paths. */
  | { readonly kind: 'same-port' }
  /** Without a host: at all addresses. */
  | { readonly kind: 'own-port'; readonly port: number; readonly host: string | undefined };

/** Reads the options. Port and host of the service itself, spelled out, are the same port. */
export function operatorPlace({ operatorPort, operatorHost, port, host }: ServiceConfig): OperatorPlace {
  if (operatorPort === 'off') return { kind: 'nowhere' };
  if (operatorPort === 'same') return { kind: 'same-port' };
  const own = { port: Number(operatorPort), host: operatorHost ?? host };
  return own.port === port && port !== 0 && own.host === host
    ? { kind: 'same-port' }
    : { kind: 'own-port', ...own };
}
