import { ALL_ADDRESSES } from './listen.js';

/** An address to listen on, and the options that set it. */
export interface ListenAddress {
  /** Undefined means the loopback addresses. */
  readonly host: string | undefined;
  readonly port: number;
  readonly options: { readonly port: string; readonly host: string };
}

/** The service cannot listen. The message names the cause and the option that fixes it. */
export class ListenError extends Error {
  constructor(cause: NodeJS.ErrnoException, address: ListenAddress) {
    super(messageFor(cause, address), { cause });
    this.name = 'ListenError';
  }
}

function messageFor(error: NodeJS.ErrnoException, { host, port, options }: ListenAddress): string {
  const address = `port ${port} of ${host === ALL_ADDRESSES ? 'all addresses' : (host ?? 'this machine')}`;
  switch (error.code) {
    case 'EADDRINUSE':
      return `${address} is in use by another program. Choose another port with ${options.port}.`;
    case 'EACCES':
      return `${address} requires privileges. Choose a port above 1023 with ${options.port}.`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `${host} is not an address of this machine. Choose another address with ${options.host}.`;
    default:
      return `cannot listen on ${address}: ${error.message}`;
  }
}
