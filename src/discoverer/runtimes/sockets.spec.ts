import { describe, expect, it } from '@jest/globals';
import { parseUnixSockets } from './sockets.js';

const HEADING = 'Num       RefCount Protocol Flags    Type St Inode Path';

describe('The list of unix sockets', () => {
  it('contains those that listen at a path', () => {
    const text = [
      HEADING,
      '0000000099bb5793: 00000002 00000000 00010000 0001 01 373393 /run/podman/podman.sock',
      '000000009a7b35f8: 00000002 00000000 00010000 0001 01 368127 /srv/my runtime/docker.sock',
      '000000009a7b35f9: 00000003 00000000 00000000 0001 03    812 /run/docker.sock',
      '000000009a7b35fa: 00000002 00000000 00010000 0001 01    813 @/abstract/docker.sock',
      '000000009a7b35fb: 00000003 00000000 00000000 0001 03    814',
      '',
    ].join('\n');
    expect(parseUnixSockets(text)).toEqual([
      { inode: '373393', path: '/run/podman/podman.sock' },
      { inode: '368127', path: '/srv/my runtime/docker.sock' },
    ]);
  });
});
