import { limitDataMemory } from '../shared/linux/libc.js';
import { readText } from '../shared/linux/proc.js';

/** Many times what a scan of a large host takes. */
const GROWTH_BYTES = 1024 * 1024 * 1024;
const BYTES_PER_KIB = 1024;

/**
 * Limits the memory of this process to what it has and a bit more, for good: what others make us read ends this process at
 * worst, not the host. The option --max-old-space-size limits only the objects of JavaScript. It is relative, because V8 reserves
 * address space that counts, but takes no memory.
 */
export function limitMemoryGrowth(): void {
  if (!/^Max data size +unlimited /m.test(readText('/proc/self/limits') ?? '')) return;
  const kibibytes = /^VmData:\s+(\d+) kB$/m.exec(readText('/proc/self/status') ?? '')?.[1];
  if (kibibytes !== undefined) limitDataMemory(Number(kibibytes) * BYTES_PER_KIB + GROWTH_BYTES);
}
