import { log } from '../log.js';
import { FilterCompiler } from '../filter/filter-compiler.js';
import type { OpenCapture } from '../control-connection.js';
import { HolderWatch } from '../opener/holder-watch.js';
import { Opener } from '../opener/opener.js';
import type { PacketMethod } from '../../shared/protocol/protocol.js';
import { Capture, type CaptureServices } from './capture.js';

/** Starts what all captures of this engine share. */
export function startCaptureServices(packetMethod: PacketMethod): OpenCapture {
  const opener = new Opener((error) => {
    // Without its threads the engine is of no use: the supervisor starts another one.
    log(`an opener thread failed: ${error.stack}`);
    process.exit(1);
  });
  const filterCompiler = new FilterCompiler();
  filterCompiler.warmUp();
  const holderWatch = new HolderWatch(opener);
  const services: CaptureServices = { opener, filterCompiler, holderWatch, packetMethod };
  return (order, data, rings, onEnd) => Capture.open(order, data, rings, services, onEnd);
}
