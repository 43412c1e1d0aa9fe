import { Controller, Get, Header, HttpCode } from '@nestjs/common';

/** "Upgrade Required", which Nest's HttpStatus does not know. */
const UPGRADE_REQUIRED = 426;

const HOW_TO = `Welcome! This is where live network captures come from, but they need the websocket protocol,
and your request came without its "Upgrade: websocket".

Please connect a websocket client to this very path, and say what to capture from:

    ws://<this host>/capture?netns=<inode number of a network namespace>&nif=eth0&filter=tcp

The inode number is what "stat -Lc %i /proc/<pid>/ns/net" prints. "nif" (names separated by "/"; absent: all
interfaces), "filter" (see pcap-filter(7)) and "chaste" (no promiscuous mode) may be left out. The answer is
a stream of binary messages which together are one pcapng file.
`;

/** What visitors get at the path of the captures who do not speak websocket. */
@Controller(['capture', 'discover/capture'])
export class CaptureController {
  /**
   * RFC 9110, 15.5.22 and 7.8: the answer must name the protocol to upgrade to, in both headers. Who sets
   * `Connection` must also say `close`, or Node keeps connections open that their clients asked to end.
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
