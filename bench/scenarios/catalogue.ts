import type { ScenarioName } from '../options.js';
import { measureCaptures } from './captures.js';
import { measureFirstByte } from './first-byte.js';
import { measureLatency } from './latency.js';
import { measureLoad } from './load.js';
import { measureManyInterfaces } from './many-interfaces.js';
import type { Scenario } from './scenario.js';
import { measureStall } from './stall.js';
import { measureStorm } from './storm.js';

export const SCENARIOS: Readonly<Record<ScenarioName, Scenario>> = {
  load: measureLoad,
  latency: measureLatency,
  'first-byte': measureFirstByte,
  captures: measureCaptures,
  stall: measureStall,
  'many-interfaces': measureManyInterfaces,
  storm: measureStorm,
};
