import type { OptionValues } from '../../shared/config/option-table.js';
import type { LogFormat } from '../../shared/logging/log-line.js';
import { OptionValue } from './option-value.js';

/** Where the service listens, which web pages it accepts, and what it logs. */
export class ServiceConfig implements OptionValues<'service'> {
  /** Address or host name to listen on; `::`: all addresses; absent: the loopback addresses. */
  @OptionValue()
  readonly host?: string;

  /** TCP port to listen on; 0: any free port. */
  @OptionValue()
  readonly port!: number;

  /** Origins of web pages on other hosts that may use the service. */
  @OptionValue()
  readonly allowedOrigins!: readonly string[];

  /** Names by which browsers may use the service, besides addresses, `localhost` and the hosts of `allowedOrigins`. */
  @OptionValue()
  readonly allowedHosts!: readonly string[];

  /** TCP endpoints that all captures leave out; see `parseEndpoint`. */
  @OptionValue()
  readonly excludedEndpoints!: readonly string[];

  /** Whether the web page at `/console/` is switched off. */
  @OptionValue()
  readonly noConsole!: boolean;

  /** File from which the key that signs tickets is derived; absent: the key is random. */
  @OptionValue()
  readonly ticketKeyFile?: string;

  /** File with the token that requests need; absent: they need none. */
  @OptionValue()
  readonly tokenFile?: string;

  /** Who decides what each user may capture; absent: nobody, everybody may capture everything. */
  @OptionValue()
  readonly authorize?: 'kubernetes';

  /** Header that names the user, from `trustedProxies` only; absent: nothing names the user. */
  @OptionValue()
  readonly userHeader?: string;

  /** Addresses and networks of the proxies whose `userHeader` is believed. */
  @OptionValue()
  readonly trustedProxies!: readonly string[];

  /** Where health and metrics are served: `same` (on `port`), `off`, or a TCP port; 0: any free port. */
  @OptionValue()
  readonly operatorPort!: string;

  /** Address or host name to listen on for `operatorPort`; absent: `host`. */
  @OptionValue()
  readonly operatorHost?: string;

  @OptionValue()
  readonly logFormat!: 'auto' | LogFormat;

  /** User to run as when started by root; absent: see supervisor/root.ts. */
  @OptionValue()
  readonly user?: string;

  @OptionValue()
  readonly debug!: boolean;

  @OptionValue()
  readonly logRequests!: boolean;

  @OptionValue()
  readonly logHeaders!: boolean;
}
