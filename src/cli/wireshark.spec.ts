import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startWireshark } from './wireshark.js';

describe('startWireshark', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'wireshark-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  function program(name: string, script: string): void {
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, name), 0o755);
  }

  /** In place of Wireshark, which needs a display: writes down its arguments and its input. */
  async function argumentsOf(preferences: string): Promise<string[]> {
    program('wireshark', `printf '%s\\n' "$@" > ${folder}/arguments; /bin/cat > ${folder}/input`);
    program('tshark', `echo '${preferences}'`);
    const { input, ended } = await startWireshark('shop/*, app=web\n', { PATH: folder });
    input.end('the stream');
    await ended;
    expect(readFileSync(join(folder, 'input'), 'utf8')).toBe('the stream');
    return readFileSync(join(folder, 'arguments'), 'utf8').trimEnd().split('\n');
  }

  const USUAL = ['-k', '-i', '-', '-o', 'gui.window_title:shop/*, app=web\ufffd'];

  it('has it capture from its standard input, with a title', async () => {
    expect(await argumentsOf('#gui.window_title:')).toEqual(USUAL);
  });

  it('has it tell interfaces apart, if it can', async () => {
    expect(await argumentsOf('#conversation_deinterlacing_key: NONE')).toEqual([
      ...USUAL,
      '-o',
      'conversation_deinterlacing_key:.MI',
    ]);
  });

  it('takes the program that the environment names', async () => {
    program('mine', 'exit 0');
    const { input, ended } = await startWireshark('x', { WIRESHARK: join(folder, 'mine'), PATH: '/nowhere' });
    input.on('error', () => undefined);
    await ended;
    if (!input.closed) await once(input, 'close');
  });

  it('says when there is none', async () => {
    await expect(startWireshark('x', { WIRESHARK: join(folder, 'none') })).rejects.toThrow('ENOENT');
    await expect(startWireshark('x', { PATH: folder })).rejects.toThrow(/Wireshark was not found/);
  });
});
