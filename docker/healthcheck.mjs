// The image's HEALTHCHECK: requests the service's health at the address that its environment variables give. It does
// not know the service's flags; to change host or port, use the variables.
/* global fetch, AbortSignal */
const {
  PACKETFLIX_HOST: host = 'localhost',
  PACKETFLIX_PORT: port = '5001',
  PACKETFLIX_OPERATOR_HOST: operatorHost = host,
  PACKETFLIX_OPERATOR_PORT: operatorPort = 'same',
} = process.env;

/** Less than the timeout in the Dockerfile, so that there is a message. */
const TIMEOUT_MS = 8_000;

function healthUrl() {
  // /healthz is not served, so any answer has to suffice.
  if (operatorPort === 'off') return urlOf(host, port, '/version');
  if (operatorPort === 'same') return urlOf(host, port, '/healthz');
  return urlOf(operatorHost, operatorPort, '/healthz');
}

function urlOf(listensOn, tcpPort, path) {
  const address = ['::', '0.0.0.0'].includes(listensOn) ? 'localhost' : listensOn;
  return `http://${address.includes(':') ? `[${address}]` : address}:${tcpPort}${path}`;
}

try {
  const { status } = await fetch(healthUrl(), { signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (status !== 200) throw new Error(`${healthUrl()} answers with status ${status}`);
} catch (error) {
  console.error(String(error.cause ?? error));
  process.exit(1);
}
