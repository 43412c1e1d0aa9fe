import { Injectable } from '@nestjs/common';

/** How soon a client that has gone without a word is noticed. Injectable, for tests that have less patience. */
@Injectable()
export class HeartbeatTiming {
  /** Between two pings; proxies close connections on which nothing happened for 30 s (some) or 60 s (nginx). */
  readonly pingMs: number = 20_000;

  /** Between two looks at everybody. */
  readonly lookMs: number = 1_000;

  /** Whoever has been silent for so long has not answered the last ping: then TCP is asked, which costs a bit. */
  readonly suspiciousMs: number = 22_500;

  /** Silence that ends a quiet capture: an unanswered ping, and a good while to answer it. In all well under 40 s. */
  readonly quietPatienceMs: number = 33_000;

  /** Silence that ends a busy one, whose client is behind with reading: networks may be away for a minute. In all under 2. */
  readonly busyPatienceMs: number = 90_000;
}
