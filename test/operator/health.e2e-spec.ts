import { spawnSync } from 'node:child_process';
import { describeAsRoot } from '../kit/root.js';
import { eventually } from '../kit/eventually.js';
import { freePort, MAIN, Service, serviceForAllTests } from '../kit/service.js';
import { Upstream } from '../proxy/kit/upstream.js';

interface Answer {
  readonly status: number;
  readonly body: {
    readonly status: string;
    readonly parts?: Record<string, { ready: boolean; message: string }>;
  };
}

async function ask(port: number, path: string): Promise<Answer> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return { status: response.status, body: (await response.json()) as Answer['body'] };
}

/** Waits until the readiness satisfies the condition, because engines connect only after the service answers. */
function readinessWhen(port: number, condition: (answer: Answer) => boolean): Promise<Answer> {
  return eventually(
    'the expected readiness',
    async () => {
      const answer = await ask(port, '/readyz');
      return condition(answer) && answer;
    },
    30_000,
  );
}

describeAsRoot('The health of a complete service', () => {
  const service = serviceForAllTests(['--local-discovery']);

  it('is alive', async () => {
    expect(await ask(service.current.port, '/healthz')).toEqual({ status: 200, body: { status: 'alive' } });
  });

  it('reports that each part is ready', async () => {
    const { body } = await readinessWhen(service.current.port, ({ status }) => status === 200);
    expect(body).toEqual({
      status: 'ready',
      parts: {
        engines: { ready: true, message: expect.stringMatching(/^[1-4] of [1-4] connected/) as string },
        capabilities: { ready: true, message: 'the engines have all that captures need' },
        libpcap: { ready: true, message: 'loaded' },
        'local-discovery': { ready: true, message: 'the discoverer starts on demand' },
      },
    });
  });

  it('reports whether the discoverer answers once it has started', async () => {
    await fetch(service.current.url('/discover/mobyshark'));
    await readinessWhen(
      service.current.port,
      ({ body }) => body.parts?.['local-discovery']?.message === 'the discoverer answers',
    );
    process.kill(service.current.pid, 'SIGSTOP'); // so that it does not restart the discoverer
    process.kill(service.current.inRole('discoverer').pid, 'SIGKILL');
    const { body } = await readinessWhen(service.current.port, ({ status }) => status === 503);
    expect(body.parts?.['local-discovery']).toEqual({
      ready: false,
      message: 'the discoverer cannot be reached (ECONNREFUSED)',
    });
    process.kill(service.current.pid, 'SIGCONT');
    await readinessWhen(service.current.port, ({ status }) => status === 200);
  });

  it('forbids caching and answers HEAD', async () => {
    for (const path of ['/healthz', '/readyz']) {
      const response = await fetch(service.current.url(path), { method: 'HEAD' });
      expect(response.headers.get('cache-control')).toBe('no-store');
      expect(response.headers.get('content-type')).toMatch(/^application\/json/);
    }
  });
});

describeAsRoot('The health of an incomplete service', () => {
  it('names a missing capability, while the service stays alive', async () => {
    const setpriv = ['setpriv', '--inh-caps=-sys_admin', '--bounding-set=-sys_admin', '--'];
    await using service = await Service.start([], { command: [...setpriv, process.execPath, MAIN] });
    const { status, body } = await readinessWhen(
      service.port,
      ({ body }) => body.parts?.['libpcap']?.ready === true,
    );
    expect(status).toBe(503);
    expect(body.status).toBe('not ready');
    expect(body.parts?.['capabilities']).toEqual({
      ready: false,
      message: 'missing capability CAP_SYS_ADMIN: network namespaces cannot be entered',
    });
    expect((await ask(service.port, '/healthz')).status).toBe(200);
  });

  it('reports a missing libpcap', async () => {
    const found = /=> (.*libpcap\.so\S*)/.exec(
      spawnSync('/sbin/ldconfig', ['-p'], { encoding: 'utf8' }).stdout,
    );
    const hide = `mount --bind /dev/null ${found?.[1]} && exec "$@"`;
    const hidden = ['unshare', '--mount', '--', 'sh', '-ec', hide, 'sh', process.execPath, MAIN];
    await using service = await Service.start([], { command: hidden });
    const { status, body } = await readinessWhen(
      service.port,
      ({ body }) => body.parts?.['capabilities']?.ready === true,
    );
    expect(status).toBe(503);
    expect(body.parts?.['libpcap']).toEqual({
      ready: false,
      message: expect.stringContaining('libpcap cannot be loaded') as string,
    });
  });

  it('reports that no engine is connected and becomes ready when one has connected', async () => {
    await using service = await Service.start();
    await readinessWhen(service.port, ({ status }) => status === 200);
    // The stopped supervisor does not restart the engines.
    const supervisor = service.pid;
    process.kill(supervisor, 'SIGSTOP');
    for (const { pid, command } of service.processes()) {
      if (/packetflix: engine|main\.js engine/.test(command)) process.kill(pid, 'SIGKILL');
    }
    const { body } = await readinessWhen(service.port, ({ status }) => status === 503);
    expect(body.parts?.['engines']).toEqual({
      ready: false,
      message: expect.stringMatching(/^0 of 1 connected/) as string,
    });
    process.kill(supervisor, 'SIGCONT');
    await readinessWhen(service.port, ({ status }) => status === 200);
  });
});

describeAsRoot('The health of a service with a configured GhostWire', () => {
  it('is not ready while GhostWire does not answer', async () => {
    const gwPort = await freePort();
    await using service = await Service.start(['--gw-port', String(gwPort)]);
    const { status, body } = await readinessWhen(
      service.port,
      ({ body }) => body.parts?.['engines']?.ready === true,
    );
    expect(status).toBe(503);
    expect(body.parts?.['ghostwire']).toEqual({
      ready: false,
      message: 'GhostWire cannot be reached (ECONNREFUSED)',
    });

    const upstream = await Upstream.start(gwPort);
    try {
      await readinessWhen(service.port, (answer) => answer.status === 200);
      upstream.answer = () => undefined;
      const hanging = await readinessWhen(service.port, (answer) => answer.status === 503);
      expect(hanging.body.parts?.['ghostwire']?.message).toBe('GhostWire does not answer within 800 ms');
    } finally {
      await upstream.close();
    }
  });
});
