import { mkdirSync, rmSync } from 'node:fs';
import { FakeEngine } from '../fixtures/fake-engine.js';
import { describeAsRoot } from '../kit/root.js';
import { serviceForAllTests } from '../kit/service.js';
import { listTargets } from './listed-targets.js';

/** Of a user that hardly exists; user's engines have their sockets below such folders. */
const FOLDER = '/run/user/3999999999';
const SOCKET = `${FOLDER}/docker.sock`;
const PROBLEM = `no containers of the engine at ${SOCKET}: it did not answer within 2 s`;

describeAsRoot('An engine that hangs', () => {
  const service = serviceForAllTests(['--local-discovery']);
  let engine: FakeEngine;
  beforeAll(async () => {
    mkdirSync(FOLDER, { recursive: true });
    engine = await FakeEngine.start(() => undefined, SOCKET);
  });
  afterAll(async () => {
    await engine[Symbol.asyncDispose]();
    rmSync(FOLDER, { recursive: true });
  });

  it('costs nothing but its own targets, and 2 s once', async () => {
    const timesMs: number[] = [];
    for (let i = 0; i < 3; i++) {
      const begin = performance.now();
      expect((await listTargets(service.current)).length).toBeGreaterThan(0);
      timesMs.push(performance.now() - begin);
    }
    expect(timesMs[0]).toBeLessThan(3_500);
    expect(Math.max(...timesMs.slice(1))).toBeLessThan(1_500);
  });

  it('is told of in the metadata, and once in the log', async () => {
    for (let i = 0; i < 3; i++) {
      const answer = (await (await fetch(service.current.url('/discover/mobyshark'))).json()) as object;
      expect(answer).toMatchObject({ metadata: { problems: [PROBLEM] } });
    }
    expect(service.current.log.split(PROBLEM)).toHaveLength(2);
  });
});
