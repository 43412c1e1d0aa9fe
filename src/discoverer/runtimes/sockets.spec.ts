import { closeSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { docker, FakeRuntime } from '../../../test/fixtures/fake-runtime.js';
import { ContainerMembership } from './cgroup.js';
import { Claims, limitsOf } from './claims.js';
import { listContainers } from './docker-api.js';
import { pathOfDescriptor } from './foreign-files.js';
import { findRuntimeRoots } from './roots.js';
import { findRuntimeSockets, listenerAt, parseUnixSockets } from './sockets.js';

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
    ];
    expect([...parseUnixSockets(text)]).toEqual([
      { inode: '373393', path: '/run/podman/podman.sock' },
      { inode: '368127', path: '/srv/my runtime/docker.sock' },
    ]);
  });
});

describe('listenerAt', () => {
  it('tells which process listens at a socket', async () => {
    await using runtime = await FakeRuntime.start(docker([]));
    expect(await listenerAt(runtime.socketPath, AbortSignal.timeout(5_000))).toBe(process.pid);
  });
});

describe('A socket at a path that others can write to', () => {
  it('is the one that was looked at, whatever is there when it is connected', async () => {
    await using victim = await FakeRuntime.start(docker([]));
    const folder = mkdtempSync(join(tmpdir(), 'packetflix-'));
    try {
      mkdirSync(join(folder, 'run/user/1000'), { recursive: true });
      mkdirSync(join(folder, 'proc/self/ns'), { recursive: true });
      const path = join(folder, 'run/user/1000/docker.sock');
      await using runtime = await FakeRuntime.start(docker([]), path);
      const claims = new Claims(
        join(folder, 'proc'),
        new ContainerMembership(join(folder, 'proc'), new Map()),
      );
      const roots = findRuntimeRoots(join(folder, 'proc'), new Map(), claims);
      const [socket] = findRuntimeSockets(join(folder, 'proc'), roots, new Map(), claims);
      if (!socket) throw new Error('no socket was found');
      renameSync(path, `${path}.old`);
      symlinkSync(victim.socketPath, path);
      await listContainers(
        pathOfDescriptor(socket.fd),
        AbortSignal.timeout(5_000),
        limitsOf(socket.claimant),
      );
      closeSync(socket.fd);
      renameSync(`${path}.old`, path);

      expect(socket.claimant).toEqual({ path: '', user: 1000 });
      expect(victim.requests).toEqual([]);
      expect(runtime.requests).toContain('/containers/json');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
