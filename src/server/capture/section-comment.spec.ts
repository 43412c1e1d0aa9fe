import { execFileSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parse } from 'yaml';
import type { CaptureTarget } from './request/capture-request.js';
import { sectionComment, serviceComment } from './section-comment.js';

const TARGET: CaptureTarget = {
  name: 'my-container',
  prefix: '',
  type: 'docker',
  nodeName: 'localhost',
  interfaces: [],
};

function commentOf(target: Partial<CaptureTarget>, filter = '', promiscuous = true): string {
  return sectionComment({ target: { ...TARGET, ...target }, filter, promiscuous });
}

const ANY_TEXT = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: 'binary' }),
  fc.string({
    unit: fc.constantFrom(' ', '\n', '\t', ':', '#', '-', "'", '"', '|', 'a', '1', '.', '\\', '%', '=', '<'),
  }),
);

/** What a parser returns for a comment with these values. */
function contentOf(name: string, nodeName: string, filter: string): Record<string, string> {
  return {
    'container-name': name,
    'container-type': 'docker',
    'node-name': nodeName,
    ...(filter && { 'capture-filter': filter }),
  };
}

describe('sectionComment', () => {
  it('is exactly the text that clients rewrite', () => {
    const cluster = { context: 'kind', uid: 'abc-def' };
    expect(commentOf({ cluster }, 'tcp port 80', false)).toBe(`---
# capture target information
container-name: my-container
container-type: docker
node-name: localhost
cluster:
    uid: abc-def
capture-filter: tcp port 80
no-promiscuous-mode: true
`);
  });

  it('omits what is unset and shows empty strings', () => {
    expect(
      sectionComment({
        target: { prefix: '', type: '', nodeName: '', interfaces: [] },
        filter: '',
        promiscuous: true,
      }),
    ).toBe(`---
# capture target information
container-name: ""
container-type: ""
node-name: ""
`);
  });

  it.each([
    ['my-container', 'my-container'],
    ['default/web-0', 'default/web-0'],
    ['firefox(123)', 'firefox(123)'],
    ['tcp port 80', 'tcp port 80'],
    ['a,b', 'a,b'],
    ['a:b', 'a:b'],
    ['1.2.3', '1.2.3'],
    ['grüße', 'grüße'],
    ['123', '"123"'],
    ['1e3', '"1e3"'],
    ['.5', '".5"'],
    ['+1', '"+1"'],
    ['0x1f', '"0x1f"'],
    ['0o7', '"0o7"'],
    ['012', '"012"'],
    ['1_000', '"1_000"'],
    ['1:20', '"1:20"'],
    ['2020-01-01', '"2020-01-01"'],
    ['.inf', '".inf"'],
    ['true', '"true"'],
    ['TRUE', '"TRUE"'],
    ['null', '"null"'],
    ['~', '"~"'],
    ['yes', '"yes"'],
    ['y', '"y"'],
    ['off', '"off"'],
    ['<<', '"<<"'],
    ['=', '"="'],
    ['a: b', '"a: b"'],
    ['#x', '"#x"'],
    ['it\'s: "so"', String.raw`"it's: \"so\""`],
    ['a\nb', String.raw`"a\nb"`],
    ['a\tb', String.raw`"a\tb"`],
    ['a\r\nb', String.raw`"a\r\nb"`],
    ['a\0b\x07\x1b\x7f', String.raw`"a\0b\a\e\u007f"`],
    ['a\x85b\u2028c\ufeff', String.raw`"a\u0085b\u2028c\ufeff"`],
  ])('writes %j as %s', (name, written) => {
    expect(commentOf({ name }).split('\n').slice(2).join('\n')).toBe(
      `container-name: ${written}\ncontainer-type: docker\nnode-name: localhost\n`,
    );
  });

  it('never folds long text', () => {
    const name = 'word '.repeat(500) + 'end';
    expect(commentOf({ name })).toContain(`container-name: ${name}\n`);
    expect(commentOf({ name: `${name}\t` }).split('\n')).toHaveLength(6);
  });

  it('is read correctly by parsers of YAML 1.1 and of YAML 1.2', () => {
    fc.assert(
      fc.property(ANY_TEXT, ANY_TEXT, ANY_TEXT, (name, nodeName, filter) => {
        const comment = commentOf({ name, nodeName }, filter);
        for (const version of ['1.1', '1.2'] as const) {
          expect(parse(comment, { version })).toEqual(contentOf(name, nodeName, filter));
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('is read correctly by PyYAML', () => {
    const texts = fc.sample(fc.tuple(ANY_TEXT, ANY_TEXT, ANY_TEXT), { numRuns: 2000, seed: 20_261_124 });
    texts.push(['=', '=', '='], ['a=b', '= ', '=='], ['123', 'a: b', 'a\nb'], ['<<', 'y', '0o7']);
    const comments = texts.map(([name, nodeName, filter]) => commentOf({ name, nodeName }, filter));
    const program =
      'import json, sys, yaml; json.dump([*map(yaml.safe_load, json.load(sys.stdin))], sys.stdout)';
    const output = execFileSync('python3', ['-c', program], { input: JSON.stringify(comments) });
    expect(JSON.parse(output.toString())).toEqual(
      texts.map(([name, nodeName, filter]) => contentOf(name, nodeName, filter)),
    );
  });

  it.each(['\n', '\x07', '\u2028', '\ufeff', '€', '"', "'"])(
    'fits a pcapng option even if all text has the maximum length and consists of %j',
    (character) => {
      const label = character.repeat(1024);
      const comment = commentOf(
        { name: character.repeat(4096), type: label, nodeName: label, cluster: { context: '', uid: label } },
        character.repeat(4096 / Buffer.byteLength(character)),
      );
      expect(Buffer.byteLength(comment)).toBeLessThan(65_535);
    },
  );
});

describe('serviceComment', () => {
  it('shows the capture, the service, the namespace and what was excluded', () => {
    const comment = serviceComment({
      captureId: 'brave-amber-otter',
      version: '0.1.0',
      reference: { netns: 4026532270, pid: 12, startTime: 34 },
      excludedConnections: [
        { address: '10.0.0.1', port: 5001, peerAddress: '10.0.0.2', peerPort: 40000 },
        { address: 'fe80::1', port: 5001, peerAddress: 'fe80::2', peerPort: 40001 },
      ],
      excludedEndpoints: [
        { port: 443 },
        { address: '2001:db8::1' },
        { address: '10.0.0.3', port: 80 },
        { address: '2001:db8::2', port: 80 },
      ],
    });
    expect(parse(comment)).toEqual({
      capture: 'brave-amber-otter',
      service: { name: 'packetflix', version: '0.1.0' },
      'network-namespace': { inode: 4026532270, pid: 12, 'start-time': 34 },
      'excluded-connections': [
        { address: '10.0.0.1:5001', peer: '10.0.0.2:40000' },
        { address: '[fe80::1]:5001', peer: '[fe80::2]:40001' },
      ],
      'excluded-endpoints': ['443', '2001:db8::1', '10.0.0.3:80', '[2001:db8::2]:80'],
    });
  });

  it('cannot be mistaken for the first comment', () => {
    const comment = serviceComment({
      captureId: 'brave-amber-otter',
      version: '1.0',
      reference: { netns: 5 },
      excludedConnections: [],
      excludedEndpoints: [],
    });
    expect(comment).not.toMatch(/---|capture target information/);
    expect(parse(comment)).toEqual({
      capture: 'brave-amber-otter',
      service: { name: 'packetflix', version: '1.0' },
      'network-namespace': { inode: 5 },
    });
  });
});
