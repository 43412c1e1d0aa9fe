import type { DirectoryEntry } from './target-directory.js';
import { textOf } from '../access/capture-access.js';
import { rightsIn } from './capture-rights.js';

const NODES = ['nodes/capture'];
const HOST = target('init(1)', { type: 'proc', pid: 1, netns: 1 });
const WEB = target('shop/web', { netns: 2 });

describe('The rights that a capture needs', () => {
  it.each<[string, readonly string[], DirectoryEntry, DirectoryEntry[]]>([
    ['a pod', ['pods/capture in namespace shop'], WEB, []],
    ['a pod that uses the network of its node', NODES, target('kube-system/proxy', { netns: 1 }), []],
    [
      'a pod of which Kubernetes says that',
      NODES,
      target('kube-system/proxy', { netns: 5, hostNetwork: true }),
      [],
    ],
    [
      'a process in the namespace of a pod',
      ['pods/capture in namespace shop'],
      target('sh(7)', { type: 'proc', netns: 2 }),
      [WEB],
    ],
    [
      'a namespace that pods of two Kubernetes namespaces share',
      ['pods/capture in namespace bank', 'pods/capture in namespace shop'],
      WEB,
      [target('bank/vault', { netns: 2 })],
    ],
    ['a container that is no pod', NODES, target('web', { type: 'docker', netns: 3 }), []],
    ['what a container calls a pod', NODES, target('shop/web', { netns: 3, prefix: 'dind' }), []],
    ['the host', NODES, HOST, []],
    ['a pod without a Kubernetes namespace', NODES, target('web', { netns: 3 }), []],
  ])('for %s', (_, rights, wanted, others) => {
    expect(rightsIn([HOST, ...others, wanted])(wanted).map(textOf)).toEqual(rights);
  });

  it('are those of a node when nothing says that the pod has a network of its own', () => {
    expect(rightsIn([WEB])(WEB).map(textOf)).toEqual(NODES);
    expect(rightsIn([{ ...WEB, hostNetwork: false }])(WEB).map(textOf)).toEqual([
      'pods/capture in namespace shop',
    ]);
  });

  it('are told apart by node', () => {
    const other = target('bank/vault', { netns: 2, node: 'worker2', prefix: 'worker2', hostNetwork: false });
    const rightsOf = rightsIn([HOST, WEB, other]);
    expect(rightsOf(WEB).map(textOf)).toEqual(['pods/capture in namespace shop']);
    expect(rightsOf(other).map(textOf)).toEqual(['pods/capture in namespace bank']);
    expect(rightsOf({ netns: 2, node: 'worker3' }).map(textOf)).toEqual(NODES);
  });
});

function target(name: string, facts: Partial<DirectoryEntry>): DirectoryEntry {
  return { name, prefix: '', type: 'pod', netns: 9, pid: 9, startTime: 9, interfaces: [], ...facts };
}
