import { parseArgs } from 'node:util';

export interface SoakOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly json?: string;
}

export const USAGE = `usage: npm run soak -- [options]

Mixed load on the service for a long time: captures that come, go and stall, clients that lie, namespaces that end,
processes that are killed. Prints what descriptors, threads and memory did, and fails when they grow.

  --minutes N           how long (60); 480 are a night
  --seed N              for the same order again
  --json FILE           all samples
`;

export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** @throws UsageError */
export function parseOptions(argv: readonly string[]): SoakOptions | 'help' {
  const { help, minutes = '60', seed = String(Date.now() % 2 ** 31), json } = parseLine(argv);
  if (help) return 'help';
  return {
    minutes: positive('--minutes', minutes),
    seed: positive('--seed', seed),
    ...(json && { json }),
  };
}

function parseLine(argv: readonly string[]) {
  try {
    const options = {
      help: { type: 'boolean', short: 'h' },
      minutes: { type: 'string' },
      seed: { type: 'string' },
      json: { type: 'string' },
    } as const;
    return parseArgs({ args: [...argv], options }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new UsageError(`${option}: ${text} is no number above 0`);
  return value;
}
