import { IsBoolean, IsIn, IsInt, IsOptional, Matches, Max, Min, ValidateBy } from 'class-validator';
import { isListOfEndpoints } from '../../shared/protocol/tcp-endpoint.js';
import { MAX_EXCLUSIONS } from '../../shared/protocol/capture-spec.js';
import { LOG_FORMATS } from '../../shared/logging/log-line.js';
import { canonicalOrigin } from '../../shared/config/web-origin.js';

const PORT = { message: 'must be a whole number from 0 to 65535' };
const OPERATOR_PORT = { message: 'must be "same", "off" or a port, a whole number from 0 to 65535' };
const ORIGINS = {
  message: 'must be origins of web pages, such as https://host.example:8443, without a path and never "null"',
};
const ENDPOINTS = {
  message: `must be at most ${MAX_EXCLUSIONS} TCP endpoints in numbers, such as 8443, 192.0.2.1:443 or [2001:db8::1]:443`,
};

/** How the service presents itself to the network, and what it says in its log. */
export class ServiceConfig {
  /** Address or name to listen on; absent: all addresses, IPv6 and IPv4. */
  @IsOptional()
  @Matches(/^[\w.:%-]+$/, { message: 'must be an address or a host name' })
  readonly host?: string;

  /** TCP port to listen on; 0: any free one. */
  @IsInt(PORT)
  @Min(0, PORT)
  @Max(65535, PORT)
  readonly port!: number;

  /** Web pages that may capture although they do not come from an address of ours. */
  @ValidateBy({ name: 'areOrigins', validator: { validate: areOrigins } }, ORIGINS)
  readonly allowedOrigins!: readonly string[];

  /** TCP endpoints that no capture shows. */
  @ValidateBy({ name: 'areEndpoints', validator: { validate: isListOfEndpoints } }, ENDPOINTS)
  readonly excludedEndpoints!: readonly string[];

  /** Where health is told: `same`, the port of the service, `off`, or a TCP port; 0: any free one. */
  @ValidateBy({ name: 'isOperatorPort', validator: { validate: isOperatorPort } }, OPERATOR_PORT)
  readonly operatorPort!: string;

  /** Address or name for the port of the operators; absent: that of the service. */
  @IsOptional()
  @Matches(/^[\w.:%-]+$/, { message: 'must be an address or a host name' })
  readonly operatorHost?: string;

  @IsIn(['auto', ...LOG_FORMATS], { message: 'must be auto, text or json' })
  readonly logFormat!: string;
  /** Who the service becomes when root starts it; absent: see supervisor/service-user.ts. */
  @IsOptional()
  @Matches(/^([a-z_][\w.-]*|\d{1,10}(:\d{1,10})?)$/i, {
    message: 'must be a user name, a user id or UID:GID',
  })
  readonly user?: string;

  @IsBoolean({ message: 'must be true or false' })
  readonly debug!: boolean;

  @IsBoolean({ message: 'must be true or false' })
  readonly logRequests!: boolean;

  @IsBoolean({ message: 'must be true or false' })
  readonly logHeaders!: boolean;
}

function areOrigins(list: readonly string[]): boolean {
  return list.every((text) => canonicalOrigin(text) !== undefined);
}

function isOperatorPort(text: string): boolean {
  return text === 'same' || text === 'off' || (/^\d{1,5}$/.test(text) && Number(text) <= 65535);
}
