import { spawnSync } from 'node:child_process';

export type RequiredProgram = readonly [program: string, debianPackage: string];

/** Names each program that is not installed, with the Debian package that contains it. */
export function missingPrograms(required: readonly RequiredProgram[], path = process.env['PATH']): string[] {
  const env = { ...process.env, PATH: path };
  return required
    .filter(([program]) => spawnSync('which', [program], { env }).status !== 0)
    .map(([program, debianPackage]) => `${program} is not installed (Debian package ${debianPackage})`);
}

/** Writes to standard error because Jest adds ten lines about the caller to each `console.warn`. */
export function reportSkipped(title: string, reasons: readonly string[]): void {
  process.stderr.write(`SKIPPED: ${title}\n  ${reasons.join('\n  ')}\n`);
}
