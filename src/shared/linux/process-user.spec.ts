import { expect, it } from '@jest/globals';
import { Child } from '../../../test/kit/child.js';
import { eventually } from '../../../test/kit/eventually.js';
import { procLink } from '../../../test/kit/processes.js';
import { describeAsRoot } from '../../../test/kit/root.js';
import { userOf } from './process-user.js';

const AS_USER = ['--reuid', '1234', '--regid', '1234', '--clear-groups'];
const WITH_USER_NAMESPACE = ['unshare', '--user', '--map-root-user'];
const SLEEP = ['sleep', '1000'];

describeAsRoot('The user who controls a process', () => {
  it.each<[string, string[], number]>([
    ['is its own', SLEEP, 1234],
    ['is the one who made its user namespace', [...WITH_USER_NAMESPACE, ...SLEEP], 1234],
    [
      'is the one who made the outer one of two user namespaces',
      [...WITH_USER_NAMESPACE, ...WITH_USER_NAMESPACE, ...SLEEP],
      1234,
    ],
  ])('%s', async (_, command, user) => {
    await using child = await Child.start('setpriv', [...AS_USER, ...command]);
    await running(child);
    expect(userOf('/proc', child.pid)).toBe(user);
  });

  it('is root, also in a user namespace that root has made', async () => {
    await using child = await Child.start('unshare', ['--user', '--map-root-user', ...SLEEP]);
    await running(child);
    expect(procLink(`/proc/${child.pid}/ns/user`)).not.toBe(procLink('/proc/self/ns/user'));
    expect(userOf('/proc', child.pid)).toBe(0);
  });

  it('is unknown when the process has ended', () => {
    expect(userOf('/proc', 2 ** 22 + 1)).toBeUndefined();
  });
});

async function running({ pid }: Child): Promise<void> {
  await eventually('the last program', () => procLink(`/proc/${pid}/exe`).endsWith('sleep'));
}
