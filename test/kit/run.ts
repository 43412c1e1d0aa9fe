import { execFile } from 'node:child_process';

/** A command that did not end with status 0; the message contains its standard error. */
export class CommandError extends Error {
  constructor(command: string, output: string, options?: ErrorOptions) {
    super(`${command}: ${output.trim()}`, options);
    this.name = 'CommandError';
  }
}

/** Runs a command to its end and returns its standard output. */
export function run(command: string, ...args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, args, { maxBuffer: 256 * 1024 * 1024, timeout: 60_000 }, (error, stdout, stderr) => {
      if (error) {
        reject(new CommandError([command, ...args].join(' '), stderr || error.message, { cause: error }));
      } else {
        resolve(stdout);
      }
    });
  });
}
