import { describe, expect, it } from '@jest/globals';
import { parseConmon } from './conmon.js';

describe('The command line of conmon', () => {
  it('names the container, and is not mixed up with the command line of Podman after it', () => {
    const args =
      '/usr/bin/conmon --api-version 1 -c ID -u ID -b /bundle -n web --exit-command /usr/bin/podman';
    const podmans = ['--exit-command-arg', '-e', '--exit-command-arg', '-n', ''];
    expect(parseConmon([...args.split(' '), ...podmans])).toEqual({
      id: 'ID',
      name: 'web',
      bundle: '/bundle',
    });
  });

  it('is ignored when it monitors a program that was run in a container later', () => {
    expect(parseConmon('conmon -c ID -u OTHER -n web -e'.split(' '))).toBeUndefined();
  });

  it.each([[[]], [['conmon']], [['conmon', '-n']], [['conmon', '-n', '']]])(
    'may name nothing: %j',
    (args) => {
      expect(parseConmon(args)).toEqual({});
    },
  );
});
