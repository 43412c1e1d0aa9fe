import { mkdirSync, rmSync } from 'node:fs';
import { FakeRuntime } from '../fixtures/fake-runtime.js';
import { describeAsRoot } from '../kit/root.js';
import { serviceForAllTests } from '../kit/service.js';
import { listTargets } from './listed-targets.js';

/** Runtime directory of an unused user ID; rootless runtimes have their sockets in such directories. */
const FOLDER = '/run/user/3999999999';
const SOCKET = `${FOLDER}/docker.sock`;
const PROBLEM = `cannot list the containers of the runtime at ${SOCKET}: it did not answer within 2 s`;

describeAsRoot('A runtime that does not answer', () => {
  const service = serviceForAllTests(['--local-discovery']);
  let runtime: FakeRuntime;
  beforeAll(async () => {
    mkdirSync(FOLDER, { recursive: true });
    runtime = await FakeRuntime.start(() => undefined, SOCKET);
  });
  afterAll(async () => {
    await runtime[Symbol.asyncDispose]();
    rmSync(FOLDER, { recursive: true });
  });

  it('hides only its own targets and delays only the first list, by 2 s', async () => {
    const timesMs: number[] = [];
    for (let i = 0; i < 3; i++) {
      const begin = performance.now();
      expect((await listTargets(service.current)).length).toBeGreaterThan(0);
      timesMs.push(performance.now() - begin);
    }
    expect(timesMs[0]).toBeLessThan(3_500);
    expect(Math.max(...timesMs.slice(1))).toBeLessThan(1_500);
  });

  it('is reported in the metadata of each list and once in the log', async () => {
    for (let i = 0; i < 3; i++) {
      const answer = (await (await fetch(service.current.url('/discover/mobyshark'))).json()) as object;
      expect(answer).toMatchObject({ metadata: { problems: [PROBLEM] } });
    }
    expect(service.current.log.split(PROBLEM)).toHaveLength(2);
  });
});
