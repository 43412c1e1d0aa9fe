import { limitDataMemory } from './libc.js';
import { readText } from './proc.js';

const BYTES_PER_KIB = 1024;

/**
 * Limits the memory of this process to what it has now and that much more, for good. The option --max-old-space-size limits
 * only the objects of JavaScript. The limit is relative, because V8 reserves address space that counts, but takes no memory.
 */
export function limitMemoryGrowth(bytes: number): void {
  const kibibytes = /^VmData:\s*(\d+) kB$/m.exec(readText('/proc/self/status') ?? '')?.[1];
  if (kibibytes === undefined) throw new Error('/proc/self/status has no VmData');
  limitDataMemory(Number(kibibytes) * BYTES_PER_KIB + bytes);
}
