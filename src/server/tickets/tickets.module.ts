import { Global, Module } from '@nestjs/common';
import { ServerEnvironment } from '../../shared/supervisor-link/supervisor-link.js';
import { ticketKey } from '../../shared/ticket-key.js';
import { ServiceConfig } from '../config/service.config.js';
import { TicketGate } from './ticket-gate.js';
import { TicketsController } from './tickets.controller.js';
import { Tickets } from './tickets.js';

/**
 * Tickets: `POST /tickets`, and `/t/<ticket>/...`. Needs `OptionsModule` and `HttpModule`, and works without `CaptureModule`: it
 * changes the target of requests.
 *
 * @publicApi
 */
@Global()
@Module({
  controllers: [TicketsController],
  providers: [
    TicketGate,
    {
      provide: Tickets,
      // The supervisor has read the file already, because the server may be unable to.
      useFactory: (environment: ServerEnvironment, { ticketKeyFile }: ServiceConfig) =>
        new Tickets(environment.ticketKey ?? ticketKey(ticketKeyFile)),
      inject: [ServerEnvironment, ServiceConfig],
    },
  ],
  exports: [Tickets],
})
export class TicketsModule {}
