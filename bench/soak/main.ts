/** `npm run soak`: mixed load for an hour by default. See docs/reliability.md. */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { asText } from '../report/table.js';
import { soak, type SoakOptions } from './soak.js';

interface Options extends SoakOptions {
  readonly json?: string;
}

const USAGE = `usage: npm run soak -- [options]

Puts mixed load on the service for a long time: captures that start, stop and stall, bad input, namespaces that end,
processes that are killed. Prints file descriptors, threads and memory of each process, and fails if they grow.

  --minutes N           duration (60)
  --seed N              repeats the random order of an earlier run
  --json FILE           writes all samples
`;

class UsageError extends Error {
  override readonly name = 'UsageError';
}

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

try {
  const options = parseOptions(process.argv.slice(2));
  if (options === 'help') process.stdout.write(USAGE);
  else if (process.getuid?.() !== 0) {
    process.stderr.write('soak: network namespaces require root\n');
    process.exitCode = EXIT_FAILED;
  } else {
    console.log(`soak: ${options.minutes} minutes, seed ${options.seed}`);
    const { tables, snapshots, failures } = await soak(options);
    for (const table of tables) console.log(asText(table));
    console.log(failures.length > 0 ? `\nFAILED\n${failures.join('\n')}` : '\npassed');
    if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(snapshots));
    if (failures.length > 0) process.exitCode = EXIT_FAILED;
  }
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`soak: ${error.message}\n\n${USAGE}`);
  process.exitCode = EXIT_USAGE;
}

/** @throws UsageError */
function parseOptions(argv: readonly string[]): Options | 'help' {
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
  if (!(value > 0)) throw new UsageError(`${option}: ${text} is not a number above 0`);
  return value;
}
