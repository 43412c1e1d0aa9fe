/** Where somebody wanted to listen, and the options that say so. */
export interface ListenPlace {
  /** Undefined: all addresses. */
  readonly host: string | undefined;
  readonly port: number;
  readonly options: { readonly port: string; readonly host: string };
}

/** The service cannot listen; the message says what is wrong, and how to mend it. */
export class ListenError extends Error {
  constructor(cause: NodeJS.ErrnoException, place: ListenPlace) {
    super(message(cause, place), { cause });
    this.name = 'ListenError';
  }
}

function message(error: NodeJS.ErrnoException, { host, port, options }: ListenPlace): string {
  const where = `port ${port} of ${host ?? 'all addresses'}`;
  switch (error.code) {
    case 'EADDRINUSE':
      return `${where} is in use by another program. Choose another with ${options.port}.`;
    case 'EACCES':
      return `${where} is not for unprivileged programs. Choose one above 1023 with ${options.port}.`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `${host} is no address of this machine. Choose another with ${options.host}.`;
    default:
      return `cannot listen on ${where}: ${error.message}`;
  }
}
