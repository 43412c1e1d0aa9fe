import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { askJson, explanationOf } from './service.js';

describe('The explanation of a refusal', () => {
  it.each([
    [400, 'nif is empty', 'The service does not accept this: nif is empty.'],
    [400, '', 'The service answers with status 400.'],
    [401, '', 'You are not logged in any more. Reload the page to log in again.'],
    [403, 'set --allowed-host.', 'The service refuses this: set --allowed-host.'],
    [403, '', 'The service refuses this. Ask its operator whether you may use it.'],
    [429, 'too many captures', 'The service is busy: too many captures. Wait a little and try again.'],
    [501, '', 'The service does not offer this.'],
    [502, '', 'The service is not available at present. Try again. If this continues, look at its log.'],
    [500, '', 'The service has failed with status 500. Its log says more.'],
  ])('with status %d and the message "%s" says what to do', (status, message, explanation) => {
    expect(explanationOf(status, message)).toBe(explanation);
  });
});

describe('A request for JSON', () => {
  let server: Server | undefined;
  const serverFor = async (listener: RequestListener): Promise<URL> => {
    const started = (server = createServer(listener));
    await new Promise<void>((resolve) => started.listen(0, '127.0.0.1', resolve));
    return new URL(`http://127.0.0.1:${(started.address() as AddressInfo).port}/captures`);
  };
  afterEach(() => {
    server?.closeAllConnections();
    server?.close();
  });

  it('answers the content', async () => {
    const url = await serverFor((_, response) => response.end('{"captures":[]}'));
    expect(await askJson(url)).toEqual({ captures: [] });
  });

  it.each<[string, RequestListener]>([
    ['is the login page of a proxy', (_, response) => response.end('<html>Log in</html>')],
    [
      'ends early',
      (_, response) => {
        response.setHeader('Content-Length', 100);
        response.write('{"captures":', () => response.destroy());
      },
    ],
  ])('fails with a message for the user when the answer %s', async (_, listener) => {
    const asked = askJson(await serverFor(listener));
    await expect(asked).rejects.toMatchObject({
      name: 'ServiceFailure',
      status: 200,
      message: expect.stringContaining('cannot be read') as string,
    });
  });

  it('has the reason of the service when it is refused', async () => {
    const url = await serverFor((_, response) => {
      response.statusCode = 429;
      response.end('{"statusCode":429,"code":"busy","message":"too many captures"}');
    });
    await expect(askJson(url)).rejects.toMatchObject({
      status: 429,
      message: 'The service is busy: too many captures. Wait a little and try again.',
    });
  });

  it('fails with the reason of its signal when it is aborted within the answer', async () => {
    const end = new AbortController();
    const url = await serverFor((_, response) => response.write('{', () => end.abort(new Error('ended'))));
    await expect(askJson(url, { signal: end.signal })).rejects.toThrow('ended');
  });
});
