import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CaptureError } from '../../src/shared/protocol/capture-error.js';
import type { Capture, CaptureEnd, CaptureProvider } from '../../src/server/capture/capture-provider.js';
import type { CaptureSpec } from '../../src/shared/protocol/capture-spec.js';
import {
  ENHANCED_PACKET_BLOCK,
  INTERFACE_DESCRIPTION_BLOCK,
  readBlocks,
  SECTION_HEADER_BLOCK,
  sectionCommentsOf,
} from './pcapng-blocks.js';

/** A provider to test. */
export interface CaptureProviderSubject {
  readonly provider: CaptureProvider;
  /** A spec that the provider accepts; the suite replaces `captureId` and `sectionComments`. */
  readonly request: CaptureSpec;
  /** Specs that the provider must refuse, by title. */
  readonly refused?: Readonly<Record<string, CaptureSpec>>;
  /** Number of resources in use (descriptors, captures, ...). It must not be higher after a test than before. */
  heldResources?(): number | Promise<number>;
  /** Called after each test. */
  dispose?(): void | Promise<void>;
}

let captures = 0;

/** Returns a new capture ID. */
export function newCaptureId(): string {
  const letters = [...String(captures++)].map((digit) => 'abcdefghij'[Number(digit)]);
  return `capture-${letters.join('')}`;
}

/** The contract of every CaptureProvider, from the docstrings of the port. */
export function describeCaptureProvider(
  title: string,
  makeSubject: () => CaptureProviderSubject | Promise<CaptureProviderSubject>,
): void {
  describe(`${title}, as a CaptureProvider`, () => {
    let subject: CaptureProviderSubject;
    let heldBefore: number | undefined;

    beforeEach(async () => {
      subject = await makeSubject();
      heldBefore = await subject.heldResources?.();
    });

    afterEach(async () => {
      try {
        await expectReleased(subject, heldBefore);
      } finally {
        await subject.dispose?.();
      }
    });

    function open(comments: readonly string[] = [], signal = new AbortController().signal): Promise<Capture> {
      return subject.provider.open(
        { ...subject.request, captureId: newCaptureId(), sectionComments: comments },
        signal,
      );
    }

    it('streams pcapng that starts with a section header and its comments in order', async () => {
      const comments = ['---\n# first\n', 'second: grüße\n', ''];
      const blocks = readBlocks(await readUntilStopped(await open(comments)));
      expect(blocks[0]!.type).toBe(SECTION_HEADER_BLOCK);
      expect(sectionCommentsOf(blocks[0]!)).toEqual(comments);
      expect(blocks.filter(({ type }) => type === SECTION_HEADER_BLOCK)).toHaveLength(1);
    });

    it('describes each interface before its first packet', async () => {
      let interfaces = 0;
      for (const { type, body } of readBlocks(await readUntilStopped(await open()))) {
        if (type === INTERFACE_DESCRIPTION_BLOCK) interfaces += 1;
        if (type === ENHANCED_PACKET_BLOCK) expect(body.readUInt32LE(0)).toBeLessThan(interfaces);
      }
      expect(interfaces).toBeGreaterThan(0);
    });

    it('ends the stream with a reason when it is stopped, even more than once', async () => {
      const capture = await open();
      capture.stop();
      capture.stop();
      readBlocks(await within(readAll(capture), 'the stream'));
      expectEnd(await within(capture.end, 'the end'));
      capture.stop();
    });

    it('ends the capture when the reader leaves the loop early', async () => {
      const capture = await open();
      for await (const chunk of capture.chunks) {
        expect(chunk.byteLength).toBeGreaterThan(0);
        break;
      }
      expectEnd(await within(capture.end, 'the end'));
    });

    it('ends the capture when the signal is aborted', async () => {
      const abort = new AbortController();
      const capture = await open([], abort.signal);
      abort.abort();
      // The stream may end in any way, as long as it ends.
      await within(
        readAll(capture).catch(() => undefined),
        'the stream',
      );
      expectEnd(await within(capture.end, 'the end'));
    });

    it('refuses or ends a capture whose signal is already aborted', async () => {
      const capture = await open([], AbortSignal.abort()).catch(() => undefined);
      if (!capture) return;
      await within(
        readAll(capture).catch(() => undefined),
        'the stream',
      );
      expectEnd(await within(capture.end, 'the end'));
    });

    it('does not change a chunk until the next one is requested', async () => {
      const capture = await open();
      for await (const chunk of capture.chunks) {
        const before = Buffer.from(chunk);
        await delay(100);
        expect(before.equals(chunk)).toBe(true);
        break;
      }
      await within(capture.end, 'the end');
    });

    it('keeps concurrent captures separate', async () => {
      const names = Array.from({ length: 5 }, (_, index) => `capture ${index}`);
      const captures = await Promise.all(names.map((name) => open([name])));
      const streams = await Promise.all(captures.map((capture) => readUntilStopped(capture)));
      expect(streams.map((stream) => sectionCommentsOf(readBlocks(stream)[0]!))).toEqual(
        names.map((name) => [name]),
      );
    });

    it.each<[string, Pick<CaptureSpec, 'limits' | 'snapshotLength'>]>([
      ['packets', { limits: { packets: { max: 1, setBy: 'request' } } }],
      ['bytes', { limits: { bytes: { max: 1, setBy: 'service' } } }],
      ['bytes per packet', { snapshotLength: 1 }],
    ])('applies a limit of %s or refuses it', async (_, limits) => {
      const request = {
        ...subject.request,
        captureId: newCaptureId(),
        sectionComments: [],
        ...limits,
      };
      const outcome = await subject.provider
        .open(request, new AbortController().signal)
        .catch((error: unknown) => error);
      if (outcome instanceof CaptureError) {
        expect(outcome.code).toBe('invalid-request');
        return;
      }
      const blocks = readBlocks(await readUntilStopped(outcome as Capture));
      const packets = blocks.filter(({ type }) => type === ENHANCED_PACKET_BLOCK);
      expect(packets.length).toBeLessThanOrEqual(limits.limits?.packets?.max ?? Infinity);
      if (limits.limits?.bytes) expect(packets).toEqual([]);
      for (const { body } of packets) {
        expect(body.readUInt32LE(12)).toBeLessThanOrEqual(limits.snapshotLength ?? Infinity);
      }
    });

    it('refuses invalid specs with a CaptureError', async () => {
      for (const [refused, request] of Object.entries(subject.refused ?? {})) {
        const outcome = await subject.provider
          .open(request, new AbortController().signal)
          .catch((error: unknown) => error);
        expect([refused, outcome]).toEqual([refused, expect.any(CaptureError)]);
      }
    });
  });
}

const TIMEOUT_MS = 5000;

async function within<Value>(promise: Promise<Value>, what: string): Promise<Value> {
  const timer = new AbortController();
  const late = delay(TIMEOUT_MS, undefined, { signal: timer.signal }).then(
    () => Promise.reject(new Error(`timed out waiting for ${what} (${TIMEOUT_MS} ms)`)),
    () => new Promise<never>(() => undefined),
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.abort();
  }
}

async function readAll(capture: Capture): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const chunk of capture.chunks) {
    // The provider may reuse the memory when the next chunk is requested.
    pieces.push(Buffer.from(chunk));
  }
  return Buffer.concat(pieces);
}

/** Stops the capture after half a second and returns its stream. */
async function readUntilStopped(capture: Capture): Promise<Buffer> {
  const timer = setTimeout(() => capture.stop(), 500);
  const stream = await within(readAll(capture), 'the end of the stream');
  clearTimeout(timer);
  expectEnd(await within(capture.end, 'the end'));
  return stream;
}

function expectEnd(end: CaptureEnd): void {
  expect(['stopped', 'target-ended', 'limit-reached']).toContain(end.code);
  expect(typeof end.message).toBe('string');
}

async function expectReleased(
  subject: CaptureProviderSubject,
  heldBefore: number | undefined,
): Promise<void> {
  if (heldBefore === undefined) return;
  const deadline = Date.now() + TIMEOUT_MS;
  while ((await subject.heldResources!()) > heldBefore && Date.now() < deadline) await delay(10);
  expect(await subject.heldResources!()).toBeLessThanOrEqual(heldBefore);
}
