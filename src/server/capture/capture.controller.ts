import { Controller, Get, Header, HttpCode } from '@nestjs/common';

/** "Upgrade Required", which Nest's HttpStatus does not know. */
const UPGRADE_REQUIRED = 426;

const HOW_TO = `Welcome! This path serves live network captures by the websocket protocol, and your request
had no "Upgrade: websocket" header.

Please connect a websocket client to this path, and say what to capture from:

    ws://<this host>/capture?netns=<inode number of a network namespace>&nif=eth0&filter=tcp

The inode number is what "stat -Lc %i /proc/<pid>/ns/net" prints. "nif" (names separated by "/"; absent: all
interfaces), "filter" (see pcap-filter(7)) and "chaste" (no promiscuous mode) are optional. The answer is
a stream of binary messages which together are one pcapng file.
`;

/** Answers ordinary HTTP requests at the path of the websocket. */
@Controller(['capture', 'discover/capture'])
export class CaptureController {
  /**
   * RFC 9110, 15.5.22 and 7.8: the answer must name the protocol to upgrade to, in both headers. A handler that sets
   * `Connection` must include `close`, or Node.js keeps connections open although the client asked to close them.
   */
  @Get()
  @HttpCode(UPGRADE_REQUIRED)
  @Header('Upgrade', 'websocket')
  @Header('Connection', 'Upgrade, close')
  @Header('Content-Type', 'text/plain; charset=utf-8')
  explain(): string {
    return HOW_TO;
  }
}
