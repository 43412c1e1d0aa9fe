import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { refusalPcapng } from '../../src/server/capture/reason-pcapng.js';
import { describeCaptureProvider } from '../contracts/capture-provider.contract.js';
import { PLAIN_SPEC } from '../fixtures/capture-spec.js';
import { ReplayCaptureProvider } from '../fixtures/replay-capture-provider.js';

const REQUEST = { ...PLAIN_SPEC, reference: { netns: 4026532270 } };

/** A section, an interface, and more packets than fit into one read. */
function recording(): Buffer {
  const packet = Buffer.alloc(12 + 20 + 1500);
  packet.writeUInt32LE(6, 0);
  packet.writeUInt32LE(packet.length, 4);
  packet.writeUInt32LE(1500, 20);
  packet.writeUInt32LE(1500, 24);
  packet.writeUInt32LE(packet.length, packet.length - 4);
  return Buffer.concat([refusalPcapng('recorded'), ...Array.from({ length: 1000 }, () => packet)]);
}

function descriptorsOf(path: string): number {
  return readdirSync('/proc/self/fd').filter((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`) === path;
    } catch {
      return false;
    }
  }).length;
}

describeCaptureProvider('ReplayCaptureProvider', () => {
  const folder = mkdtempSync(join(tmpdir(), 'packetflix-'));
  const path = join(folder, 'recording.pcapng');
  writeFileSync(path, recording());
  return {
    provider: new ReplayCaptureProvider(path),
    request: REQUEST,
    refused: { 'a filter, which a replay does not have': { ...REQUEST, filter: 'tcp' } },
    heldResources: () => descriptorsOf(path),
    dispose: () => rmSync(folder, { recursive: true }),
  };
});
