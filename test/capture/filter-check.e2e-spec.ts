import { describeAsRoot } from '../kit/root.js';
import { serviceForAllTests } from '../kit/service.js';

/** It takes longer than a filter may. */
const EXPENSIVE = Array.from({ length: 150 }, (_, port) => `portrange ${port}-${port + 1_000}`).join(' and ');

describeAsRoot('GET /filter', () => {
  const service = serviceForAllTests();

  it.each([
    ['', { valid: true }],
    ['tcp port 80', { valid: true }],
    ['tcp prt 80', { valid: false, message: expect.stringMatching(/syntax error/) as string }],
    [EXPENSIVE, { valid: false, message: expect.stringMatching(/more than 2 s/) as string }],
    ['a'.repeat(4097), { valid: false, message: expect.stringMatching(/4096 bytes/) as string }],
  ])('answers for %.20j', async (filter, expected) => {
    const response = await fetch(service.current.url(`/filter?filter=${encodeURIComponent(filter)}`));
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual(expected);
  });

  it('counts the first filter only', async () => {
    const response = await fetch(service.current.url('/filter?filter=tcp+prt&filter=udp'));
    expect(await response.json()).toMatchObject({ valid: false });
  });

  it('keeps one client from taking all turns', async () => {
    const flood = Array.from({ length: 40 }, (_, index) =>
      fetch(service.current.url(`/filter?filter=${encodeURIComponent(`${EXPENSIVE} and port ${index}`)}`)),
    );
    const statuses = (await Promise.all(flood)).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200, 429]));
  });
});
