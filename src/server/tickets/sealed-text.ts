import { createHmac, timingSafeEqual } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';

/** Of 32 bytes of HMAC-SHA256; RFC 2104, section 5, allows half. */
const SIGNATURE_BYTES = 16;
/** Longest text that can be sealed, in bytes: a short one can be the text of many repetitions. */
export const MAX_TEXT_BYTES = 256 * 1024;

/** A text and its signature, as letters, digits, `-` and `_`. It is not encrypted. */
export function sealText(text: string, key: Buffer): string {
  const content = deflateRawSync(text, { level: 9 });
  return Buffer.concat([signatureOf(content, key), content]).toString('base64url');
}

/** The text, if it was sealed with this key and nothing was changed. Nothing else is parsed or unpacked. */
export function openSealed(sealed: string, key: Buffer): string | undefined {
  const bytes = Buffer.from(sealed, 'base64url');
  // Node.js ignores what is not base64url, and surplus bits of the last character.
  if (bytes.length <= SIGNATURE_BYTES || bytes.toString('base64url') !== sealed) return undefined;
  const content = bytes.subarray(SIGNATURE_BYTES);
  if (!timingSafeEqual(bytes.subarray(0, SIGNATURE_BYTES), signatureOf(content, key))) return undefined;
  try {
    return inflateRawSync(content, { maxOutputLength: MAX_TEXT_BYTES }).toString('utf8');
  } catch {
    return undefined; // RangeError: another version of this service seals longer texts
  }
}

function signatureOf(content: Buffer, key: Buffer): Buffer {
  return createHmac('sha256', key).update(content).digest().subarray(0, SIGNATURE_BYTES);
}
