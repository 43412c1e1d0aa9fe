import 'reflect-metadata';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeApi } from './describe-api.js';

/** `npm run api`: writes the descriptions of the API into the folder that is given. */
const [folder = 'docs/api'] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
for (const [name, text] of Object.entries(await describeApi())) writeFileSync(join(folder, name), text);
process.exit(0);
