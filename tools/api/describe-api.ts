import { AppModule } from '../../src/server/app.module.js';
import { parseCommandLine } from '../../src/shared/config/parse-command-line.js';
import { createApplication } from '../../src/server/server.js';
import { asyncApi } from './asyncapi.js';
import { openApi } from './openapi.js';

/** The descriptions of the API as they are in docs/api: texts by the name of their file. */
export async function describeApi(): Promise<Record<string, string>> {
  // With everything that has paths of its own.
  const commandLine = parseCommandLine(['--local-discovery'], {});
  if (commandLine.kind !== 'options') throw new Error(`no options: ${commandLine.kind}`);
  const { options } = commandLine;
  const app = await createApplication(AppModule.register(options), options);
  try {
    return { 'openapi.json': toText(openApi(app)), 'asyncapi.json': toText(asyncApi()) };
  } finally {
    await app.close();
  }
}

function toText(document: object): string {
  return `${JSON.stringify(document, null, 2)}\n`;
}
