import { describe, expect, it } from '@jest/globals';
import { parseCgroup } from './cgroup.js';

const ID = '0123456789abcdef'.repeat(4);
const OUTER = 'f'.repeat(64);

describe('parseCgroup finds the container', () => {
  it.each([
    ['Docker', `/docker/${ID}`],
    ["Docker with systemd's driver", `/system.slice/docker-${ID}.scope`],
    ['Docker with a parent of its own', `/my/parent/${ID}`],
    ['systemd in a Docker container', `/docker/${ID}/system.slice/nginx.service`],
    ['Docker in another control group namespace', `/../../docker-${ID}.scope`],
    ['Podman', `/machine.slice/libpod-${ID}.scope/container`],
    [
      'Podman without privileges',
      `/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${ID}.scope`,
    ],
    ['Kubernetes with containerd', `/kubepods.slice/kubepods-pod1.slice/cri-containerd-${ID}.scope`],
    [
      "containerd's cgroupfs names",
      `/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:${ID}`,
    ],
    ['Kubernetes with CRI-O', `/kubepods/burstable/pod1/crio-${ID}.scope`],
    ['Docker in Docker, the inner one', `/docker/${OUTER}/docker/${ID}`],
  ])('of %s', (_, path) => {
    expect(parseCgroup(`0::${path}\n`).containers.at(-1)).toEqual({ id: ID });
  });

  it.each([
    ['LXC', '/lxc.payload.vm-1/init.scope', 'lxc', 'vm-1'],
    ['old LXC', '/lxc/vm-1', 'lxc', 'vm-1'],
    ['systemd-nspawn', '/machine.slice/systemd-nspawn@my\\x2dbox.service/payload', 'nspawn', 'my-box'],
  ])('of %s, with its name', (_, path, type, name) => {
    expect(parseCgroup(`0::${path}\n`)).toEqual({
      containers: [{ id: `${type}:${name}`, named: { type, name } }],
    });
  });

  it('in any hierarchy of version 1', () => {
    expect(parseCgroup(`9:name=systemd:/\n8:pids:/docker/${ID}\n0::/\n`)).toEqual({
      containers: [{ id: ID }],
    });
  });

  it.each([
    ['an empty file', ''],
    ['a path without a container', '0::/user.slice/session-1.scope\n'],
    ['the monitor of a container', `0::/machine.slice/libpod-conmon-${ID}.scope\n`],
    ['an id that is too short', `0::/docker/${ID.slice(1)}\n`],
    ['malformed lines', `${ID}\n::::\n`],
  ])('and none in %s', (_, cgroup) => {
    expect(parseCgroup(cgroup)).toEqual({ containers: [] });
  });

  it('with all containers around it', () => {
    expect(parseCgroup(`0::/docker/${OUTER}/lxc.payload.vm/docker-${ID}.scope\n`)).toEqual({
      containers: [{ id: OUTER }, { id: 'lxc:vm', named: { type: 'lxc', name: 'vm' } }, { id: ID }],
    });
  });

  it.each<[string, string, number | undefined]>([
    ['a user', `/user.slice/user-1000.slice/user@1000.service/user-0.slice/docker-${ID}.scope`, 1000],
    ['root', `/user.slice/user-0.slice/session-1.scope/docker-${ID}.scope`, undefined],
    ['a container, whatever it calls them', `/docker/${ID}/user.slice/user-1000.slice`, undefined],
  ])('and whether %s has named the control group', (_, path, user) => {
    expect(parseCgroup(`0::${path}\n`).user).toBe(user);
  });
});
