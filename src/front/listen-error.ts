/** What is wrong when the service cannot listen, and how to mend it. */
export function listenErrorMessage(
  error: NodeJS.ErrnoException,
  host: string | undefined,
  port: number,
): string {
  const where = `port ${port} of ${host ?? 'all addresses'}`;
  switch (error.code) {
    case 'EADDRINUSE':
      return `${where} is in use by another program. Choose another with --port or PACKETFLIX_PORT.`;
    case 'EACCES':
      return `${where} is not for unprivileged programs. Choose one above 1023 with --port or PACKETFLIX_PORT.`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `${host} is no address of this machine. Choose another with --host or PACKETFLIX_HOST.`;
    default:
      return `cannot listen on ${where}: ${error.message}`;
  }
}
