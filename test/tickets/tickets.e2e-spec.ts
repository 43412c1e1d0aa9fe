import { setTimeout as sleep } from 'node:timers/promises';
import { CaptureClient } from '../kit/capture-client.js';
import { CLOSE_ENDED, CLOSE_NOT_FOUND } from '../kit/close-codes.js';
import { eventually } from '../kit/eventually.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { sendPackets } from '../kit/packets.js';
import { PcapngReader } from '../kit/pcapng.js';
import { RawConnection, rawRequest } from '../kit/raw-connection.js';
import { describeAsRoot } from '../kit/root.js';
import { serviceForAllTests } from '../kit/service.js';
import { handshakeAt, postTicket, ticketFor } from './ticket-client.js';

describeAsRoot('A ticket', () => {
  const running = serviceForAllTests(['--log-requests', '--log-headers']);
  let own: NetworkNamespace;
  let other: NetworkNamespace;
  beforeAll(async () => {
    [own, other] = [await NetworkNamespace.create(), await NetworkNamespace.create()];
    await own.addWire('own0', 'own1');
    await other.addWire('other0', 'other1');
  });
  afterAll(async () => {
    await own[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
  });

  it('is for what it names, whatever the query and the headers say', async () => {
    const { path } = await ticketFor(running.current, { netns: own.inode, nif: 'own1', 'max-packets': 5 });
    const container = JSON.stringify({ netns: other.inode, name: 'other' });
    const query = new URLSearchParams({
      netns: String(other.inode),
      nif: 'other1',
      filter: 'tcp',
      container,
    }).toString();
    const headers = {
      'Clustershark-Container': container,
      'clustershark-nif': 'other1/own0',
      'Clustershark-Filter': 'tcp',
      'Clustershark-Targets': '[{}]',
      'Clustershark-Max-Packets': '1000',
      'Clustershark-Follow': '',
    };
    for (const capturePath of [path, path.replace('/capture', '/discover/capture')]) {
      await using client = await CaptureClient.open(
        running.current,
        {},
        { path: `${capturePath}?${query}`, headers },
      );
      await client.described('own1');
      expect(client.comments[0]).not.toMatch(/filter|other/);
      expect(client.comments[1]).toContain(`inode: ${own.inode}`);
      await sendPackets(own, { interface: 'own0', count: 10 });
      expect(await client.ended()).toMatchObject({ code: CLOSE_ENDED });
      expect(client.interfaceNames).toEqual(['own1']);
      // An empty packet has the reason: the client sent Clustershark-Container.
      expect(client.sequences().filter((sequence) => !Number.isNaN(sequence))).toEqual([0, 1, 2, 3, 4]);
      expect(client.stream.toString('latin1')).toContain('limit of 5 packets');
    }
  });

  it('is for a download, too, whatever the query and the headers say', async () => {
    const { path } = await ticketFor(running.current, { netns: own.inode, nif: 'own1', 'max-packets': 5 });
    const url = running.current.url(
      path.replace('/capture', `/capture.pcapng?netns=${other.inode}&nif=other1`),
    );
    const download = await fetch(url, { headers: { 'Clustershark-Nif': 'other1' } });
    expect([download.status, download.headers.get('content-disposition')]).toEqual([
      200,
      expect.stringContaining(`netns-${own.inode}`),
    ]);
    await sendPackets(own, { interface: 'own0', count: 10 });
    const reader = new PcapngReader();
    const blocks = [...reader.push(Buffer.from(await download.arrayBuffer()))];
    expect(reader.interfaces.map(({ name }) => name)).toEqual(['own1']);
    expect(blocks.filter(({ kind }) => kind === 'packet')).toHaveLength(5);
  });

  it('gives the reason in the stream only to clients that send Clustershark-Container', async () => {
    const { path } = await ticketFor(running.current, { netns: 4_711 });
    for (const [headers, pattern] of [
      [{ 'Clustershark-Container': '{}' }, /no network namespace 4711/],
      [{}, /^$/],
    ] as const) {
      await using client = await CaptureClient.open(running.current, {}, { path, headers });
      expect(await client.ended()).toMatchObject({ code: CLOSE_NOT_FOUND });
      expect(client.stream.toString('latin1')).toMatch(pattern);
    }
  });

  it('captures a set with all its parameters', async () => {
    const body = { targets: [{ name: 'none' }], filter: 'udp port 7', chaste: true };
    const { path } = await ticketFor(running.current, body);
    await using client = await CaptureClient.open(running.current, {}, { path });
    await client.until('the section header block', () => client.sectionLength !== undefined);
    expect(client.comments[0]).toMatch(
      /container-name: none\ncontainer-type: set\n[^]*capture-filter: udp port 7\nno-promiscuous-mode: true\n$/,
    );
  });

  it('lists its target alone, without any discovery, and tells the version', async () => {
    const container = { name: 'web', type: 'docker', netns: 5, pid: 6, starttime: 7, prefix: '' };
    const { ticket } = await ticketFor(running.current, {
      container: { ...container, 'network-interfaces': ['eth0'], 'node-name': 'ignored' },
    });
    const list = await fetch(running.current.url(`/t/${ticket}/discover/mobyshark?x=y`));
    expect(list.headers.get('content-type')).toMatch(/^application\/json/);
    expect(await list.json()).toEqual({
      metadata: {},
      containers: [{ ...container, 'network-interfaces': ['eth0'] }],
    });
    const version = await fetch(running.current.url(`/t/${ticket}/version`));
    expect(await version.json()).toMatchObject({ name: 'packetflix' });
    expect((await fetch(running.current.url(`/t/${ticket}/capture`))).status).toBe(426);
  });

  it.each([
    ...['', 'targets', 'tickets', 'captures', 'console/', 'metrics', 'readyz', 'discover/', 'discover'],
    ...['..', '../targets', '../../targets', '%2e%2e/targets', '..%2ftargets', 'capture/../targets'],
    ...['/capture', 'capture/', 'capture/.', 'Capture', 'version/', 'capture%3f', '\\..\\targets'],
  ])('opens no other path: /t/TICKET/%s', async (rest) => {
    const { ticket } = await ticketFor(running.current, { netns: own.inode });
    const answer = await rawRequest(running.current.port, `GET /t/${ticket}/${rest} HTTP/1.1`);
    expect(answer).toMatch(/^HTTP\/1\.1 404 [^]*"code":"not-found"/);
    expect(await handshakeAt(running.current.url(`/t/${ticket}/capturex`, 'ws'))).toMatchObject({
      status: 404,
    });
  });

  it.each([
    ...['//t/TICKET/version', '/%74/TICKET/version', '/t%2fTICKET/version', '/T/TICKET/version'],
    ...['/x/../t/TICKET/version', '/./t/TICKET/version', '/discover/t/TICKET/version'],
    ...['http://host.example//t/TICKET/version', '/t%5cTICKET\\version'],
  ])('is of no use in another form of its path: %s', async (form) => {
    const { ticket } = await ticketFor(running.current, { netns: own.inode });
    const target = form.replace('TICKET', ticket);
    expect(await rawRequest(running.current.port, `GET ${target} HTTP/1.1`)).toMatch(/^HTTP\/1\.1 404 /);
  });

  it('works in an absolute URL', async () => {
    const { ticket } = await ticketFor(running.current, { netns: own.inode });
    const answer = await rawRequest(
      running.current.port,
      `GET http://host.example/t/${ticket}/version HTTP/1.1`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 [^]*packetflix/);
  });

  it('is refused before the upgrade when it is forged or altered', async () => {
    const { ticket } = await ticketFor(running.current, { netns: own.inode });
    const { ticket: another } = await ticketFor(running.current, { netns: other.inode });
    const middle = Math.floor(ticket.length / 2);
    const altered = ticket.slice(0, middle) + (ticket[middle] === 'A' ? 'B' : 'A') + ticket.slice(middle + 1);
    const pieced = ticket.slice(0, 22) + another.slice(22);
    for (const text of [
      altered,
      pieced,
      ticket.slice(1),
      `${ticket}A`,
      'x',
      '..',
      '%00',
      'A'.repeat(50_000),
    ]) {
      for (const path of ['capture', 'discover/mobyshark', 'version', 'targets', '']) {
        const url = `/t/${text}/${path}`;
        const answer = await rawRequest(running.current.port, `GET ${url} HTTP/1.1`);
        expect(answer).toMatch(
          /^HTTP\/1\.1 403 [^]*\{"statusCode":403,"code":"ticket-invalid","message":"[^"]+"\}/,
        );
      }
      if (text !== '..') {
        const { status, body } = await handshakeAt(running.current.url(`/t/${text}/capture`, 'ws'));
        expect([status, JSON.parse(body)]).toEqual([
          403,
          expect.objectContaining({ code: 'ticket-invalid' }),
        ]);
      }
    }
  });

  it('is refused when it has expired; a capture that has begun goes on', async () => {
    const { path, expires } = await ticketFor(running.current, {
      netns: own.inode,
      nif: 'own1',
      lifetime: 2,
    });
    await using client = await CaptureClient.open(running.current, {}, { path });
    await client.described('own1');
    await sleep(Math.max(0, Date.parse(expires) - Date.now()) + 100);
    const { status, body } = await handshakeAt(running.current.url(path, 'ws'));
    expect([status, JSON.parse(body)]).toEqual([403, expect.objectContaining({ code: 'ticket-expired' })]);
    await sendPackets(own, { interface: 'own0', count: 3 });
    await client.received(3);
  });

  it('is for GET only', async () => {
    const { ticket } = await ticketFor(running.current, { netns: own.inode });
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const answer = await fetch(running.current.url(`/t/${ticket}/version`), { method });
      expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    }
  });

  it('is subject to the browser policy, and so is the request for one', async () => {
    const { ticket } = await ticketFor(running.current, { netns: own.inode });
    for (const path of [`/t/${ticket}/version`, '/t/x/version']) {
      const request = `GET ${path} HTTP/1.1\r\nOrigin: http://evil.example`;
      expect(await rawRequest(running.current.port, request)).toMatch(/^HTTP\/1\.1 403 [^]*--allowed-host/);
    }
    const answer = await postTicket(running.current, '{"netns":5}', { Origin: 'http://evil.example' });
    expect([answer.status, await answer.text()]).toEqual([403, expect.stringContaining('--allowed-origin')]);
  });

  it.each<[string, string, Record<string, string>, number, string]>([
    ['no JSON', 'netns=5', {}, 400, 'invalid-request'],
    ['another type', '{"netns":5}', { 'Content-Type': 'text/plain' }, 415, 'unsupported-media-type'],
    ['no type', '{"netns":5}', { 'Content-Type': '' }, 415, 'unsupported-media-type'],
    ['a compressed body', '{"netns":5}', { 'Content-Encoding': 'gzip' }, 415, 'unsupported-media-type'],
    ['a long body', `{"netns":5,"filter":"${'x'.repeat(65_536)}"}`, {}, 413, 'request-too-large'],
    ['an unknown attribute', '{"netns":5,"x":1}', {}, 400, 'invalid-request'],
    ['a bad interface', '{"netns":5,"nif":"a:b"}', {}, 400, 'invalid-interface'],
    ['a long filter', `{"netns":5,"filter":"${'x'.repeat(5_000)}"}`, {}, 400, 'invalid-filter'],
  ])('is not issued for %s', async (_, body, headers, status, code) => {
    const answer = await postTicket(running.current, body, headers);
    expect(answer.status).toBe(status);
    expect(await answer.json()).toEqual({
      statusCode: status,
      code,
      message: expect.stringMatching(/./) as string,
    });
  });

  it('is asked for with POST only', async () => {
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS']) {
      const answer = await fetch(running.current.url('/tickets'), { method });
      expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST']);
    }
  });

  it('does not harm the service when the client goes away or sends no end', async () => {
    const head = 'POST /tickets HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
    using connection = RawConnection.open(running.current.port, `${head}Content-Length: 100\r\n\r\n{`);
    await eventually('the connection', () => connection.socket.bytesWritten > 0);
    connection.socket.destroy();
    const answer = await ticketFor(running.current, { netns: 5 });
    expect(answer.path).toBe(`/t/${answer.ticket}/capture`);
    expect(Date.parse(answer.expires) - Date.now()).toBeGreaterThan(590_000);
  });

  it('is in no log line, unlike its id', async () => {
    const { ticket, path } = await ticketFor(running.current, { netns: own.inode });
    {
      await using client = await CaptureClient.open(running.current, {}, { path });
      await client.described('own1');
    }
    await rawRequest(running.current.port, `GET /%74//${ticket}/x HTTP/1.1`);
    const records = await eventually('the lines about the ticket', () => {
      const lines = running.current.log.split('\n').filter((line) => line.startsWith('{'));
      const issued = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
      const { ticket: id } = issued.findLast(({ message }) => message === 'ticket issued') ?? {};
      const about = issued.filter((record) => record['ticket'] === id);
      return about.length >= 3 && about;
    });
    expect(records).toMatchObject([
      { message: 'ticket issued', netns: own.inode, ticket: expect.stringMatching(/^[\da-f]{8}$/) as string },
      { message: 'capture started' },
      { message: 'capture ended' },
    ]);
    expect(running.current.log).toContain('/t/(redacted)/capture');
    expect(running.current.log).not.toContain(ticket.slice(0, 30));
    expect(running.current.log).not.toContain(ticket.slice(-30));
  });
});
