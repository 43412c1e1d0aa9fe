import { parseArgs } from 'node:util';
import type { GeneratorName } from './load/load-generator.js';

export const SCENARIO_NAMES = [
  'load',
  'latency',
  'first-byte',
  'captures',
  'stall',
  'many-interfaces',
  'storm',
] as const;
export type ScenarioName = (typeof SCENARIO_NAMES)[number];

export interface BenchOptions {
  readonly scenarios: readonly ScenarioName[];
  readonly extent: 'quick' | 'usual' | 'matrix';
  readonly rounds: number;
  /** Duration of one load. */
  readonly seconds: number;
  /** Time for which the client of the scenario `stall` does not read. */
  readonly stallSeconds: number;
  readonly sizes?: readonly number[];
  readonly rates?: readonly number[];
  readonly generator: GeneratorName;
  readonly peer?: string;
  readonly peerPid?: number;
  readonly tcpdump: boolean;
  readonly markdown: boolean;
  readonly json?: string;
  readonly svg?: string;
}

export const USAGE = `usage: npm run bench -- [SCENARIO...] [options]

Scenarios: ${SCENARIO_NAMES.join(', ')}, all. Default: load and first-byte.

  --quick               one packet size, two rates, one round
  --matrix              packets of 64 to 65,000 bytes, 1,000 packets/s to full speed
  --rounds N            number of measurements of each point (3)
  --seconds N           duration of one load (5)
  --stall N             seconds for which the client of the scenario "stall" does not read (60)
  --sizes A,B           frame sizes in bytes, instead of the scenario's
  --rates A,B           packets/s, or "max" for full speed, instead of the scenario's
  --peer URL            measure another service on this machine with the same /capture API, too
  --peer-pid N          process whose CPU time and memory count for the peer, with its descendants; default: the topmost
                        process of the program that listens at the port
  --tcpdump             measure tcpdump, too
  --generator NAME      sender (default) or trafgen
  --markdown            print the tables as Markdown, for docs/performance.md
  --json FILE           write all measurements
  --svg FOLDER          draw charts of the scenarios load and captures
`;

export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** @throws UsageError */
export function parseOptions(argv: readonly string[]): BenchOptions | 'help' {
  const { values, positionals } = parseLine(argv);
  if (values.help) return 'help';
  const extent = values.matrix ? 'matrix' : values.quick ? 'quick' : 'usual';
  const { generator = 'sender' } = values;
  if (generator !== 'sender' && generator !== 'trafgen')
    throw new UsageError(`no such generator: ${generator}`);
  return {
    scenarios: chosenScenarios([...positionals, ...list(values.scenario)]),
    extent,
    rounds: positive('--rounds', values.rounds ?? (extent === 'quick' ? '1' : '3')),
    seconds: positive('--seconds', values.seconds ?? (extent === 'quick' ? '3' : '5')),
    stallSeconds: positive('--stall', values.stall ?? (extent === 'quick' ? '5' : '60')),
    ...(values.sizes && { sizes: list(values.sizes).map((size) => positive('--sizes', size)) }),
    ...(values.rates && {
      rates: list(values.rates).map((rate) => (rate === 'max' ? 0 : positive('--rates', rate))),
    }),
    generator,
    tcpdump: values.tcpdump ?? false,
    markdown: values.markdown ?? false,
    ...(values.peer && { peer: values.peer }),
    ...(values['peer-pid'] && { peerPid: positive('--peer-pid', values['peer-pid']) }),
    ...(values.json && { json: values.json }),
    ...(values.svg && { svg: values.svg }),
  };
}

function parseLine(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h' },
        quick: { type: 'boolean' },
        matrix: { type: 'boolean' },
        tcpdump: { type: 'boolean' },
        markdown: { type: 'boolean' },
        scenario: { type: 'string' },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        stall: { type: 'string' },
        sizes: { type: 'string' },
        rates: { type: 'string' },
        peer: { type: 'string' },
        'peer-pid': { type: 'string' },
        generator: { type: 'string' },
        json: { type: 'string' },
        svg: { type: 'string' },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function chosenScenarios(names: readonly string[]): ScenarioName[] {
  if (names.includes('all')) return [...SCENARIO_NAMES];
  if (names.length === 0) return ['load', 'first-byte'];
  return names.map((name) => {
    const known = SCENARIO_NAMES.find((candidate) => candidate === name);
    if (!known) throw new UsageError(`no such scenario: ${name}`);
    return known;
  });
}

function list(text = ''): string[] {
  return text.split(',').filter(Boolean);
}

function positive(option: string, text: string): number {
  const value = Number(text.replaceAll('_', ''));
  if (!(value > 0)) throw new UsageError(`${option}: ${text} is not a number above 0`);
  return value;
}
