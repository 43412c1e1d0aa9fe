/** `npm run soak`: mixed load for an hour, or as long as you like. See docs/reliability.md. */
import { writeFileSync } from 'node:fs';
import { asText } from '../report/table.js';
import { parseOptions, USAGE, UsageError } from './options.js';
import { soak } from './soak.js';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

try {
  const options = parseOptions(process.argv.slice(2));
  if (options === 'help') process.stdout.write(USAGE);
  else if (process.getuid?.() !== 0) {
    process.stderr.write('soak: only root may make network namespaces: run it as root\n');
    process.exitCode = EXIT_FAILED;
  } else {
    console.log(`soak: ${options.minutes} minutes, seed ${options.seed}`);
    const { tables, moments, complaints } = await soak(options);
    for (const table of tables) console.log(asText(table));
    console.log(complaints.length > 0 ? `\nFAILED\n${complaints.join('\n')}` : '\npassed');
    if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(moments));
    if (complaints.length > 0) process.exitCode = EXIT_FAILED;
  }
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`soak: ${error.message}\n\n${USAGE}`);
  process.exitCode = EXIT_USAGE;
}
