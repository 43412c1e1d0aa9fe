/**
 * The public API for teams that extend this service or build an application from its parts. Everything else may change
 * with any version; changes of the public API are listed in the CHANGELOG. See docs/architecture.md, "Swap a provider"
 * and "Add a module".
 *
 * It includes nothing of the privileged processes: extensions run in the server process, without privileges.
 */

// The application and its modules.
export { AppModule } from './server/app.module.js';
export { CaptureModule } from './server/capture/capture.module.js';
export type {
  CaptureModuleAsyncOptions,
  CaptureModuleOptions,
  CapturePorts,
} from './server/capture/capture.module.js';
export { DiscoveryModule } from './server/discovery/discovery.module.js';
export type {
  DiscoveryModuleAsyncOptions,
  DiscoveryModuleOptions,
} from './server/discovery/discovery.module.js';
export type { Implementation } from './server/provide-port.js';
export { createApplication } from './server/server.js';
export { OperationsModule } from './server/operations/operations.module.js';
export type { OperationsModuleOptions, OperatorAddress } from './server/operations/operator-port.js';
export { HttpModule } from './server/http/http.module.js';
export { ClientIdentity } from './server/http/client-identity.js';
export type { Identity } from './server/http/client-identity.js';
export { TicketsModule } from './server/tickets/tickets.module.js';
export { VersionModule } from './server/version/version.module.js';
export { SERVICE_NAME, SERVICE_VERSION } from './shared/service-version.js';

// Port: runs captures.
export { CaptureProvider } from './server/capture/capture-provider.js';
export type {
  Capture,
  CaptureEnd,
  DirectStream,
  SetCapture,
  SetObserver,
} from './server/capture/capture-provider.js';
export type { ClientConnection, RemoteWriter } from './server/http/client-connection.js';
export type { CaptureTotals, LeaveCode } from './shared/protocol/protocol.js';
export type {
  CaptureLimit,
  CaptureLimits,
  CaptureSpec,
  NetnsReference,
  SetMember,
  SetSpec,
  StreamSpec,
  TcpConnection,
  TcpEndpoint,
} from './shared/protocol/capture-spec.js';

// Port: finds the network namespaces to which a capture target may refer.
export { NetnsResolver } from './server/capture/resolve/netns-resolver.js';
export type { ResolvedTarget } from './server/capture/resolve/netns-resolver.js';
export type { CaptureTarget } from './server/capture/request/capture-request.js';

// Port: decides who may use the service.
export { AccessModule } from './server/access/access.module.js';
export type { AccessModuleOptions } from './server/access/access.module.js';
export { Authenticator } from './server/access/authenticator.js';
export type { AccessRefusal, Authentication } from './server/access/authenticator.js';
export { authenticatedUserOf } from './server/access/authenticated-user.js';
export type { AuthenticatedUser } from './server/access/authenticated-user.js';

// Sets of targets.
export type { TargetSelector } from './shared/protocol/target-selector.js';

// Port: the list of capture targets.
export { isNamed, TargetDirectory, TargetDirectoryError } from './server/discovery/target-directory.js';
export type {
  DirectoryEntry,
  FindOptions,
  TargetDirectoryFailure,
} from './server/discovery/target-directory.js';

// The default implementations, for wrappers.
export { EngineCaptureProvider } from './server/engine-client/engine-capture-provider.js';
export { DirectoryNetnsResolver } from './server/capture/resolve/directory-netns-resolver.js';
export { DiscovererTargetDirectory } from './server/discovery/discoverer-target-directory.js';
export { FallbackTargetDirectory } from './server/discovery/fallback-target-directory.js';
export { GhostwireTargetDirectory } from './server/discovery/ghostwire-target-directory.js';

// The only error that a provider or a resolver may throw.
export { CaptureError } from './shared/protocol/capture-error.js';
export type { CaptureErrorCode } from './shared/protocol/capture-error.js';

// Readiness: add the checks of your own modules.
export { Readiness } from './server/operations/readiness.js';
export type { PartReadiness, ReadinessCheck } from './server/operations/readiness.js';

// Metrics: add those of your own modules.
export { ServiceMetrics } from './server/operations/service-metrics.js';

// The configuration, injected by class.
export { CaptureConfig } from './server/config/capture.config.js';
export { ClusterConfig } from './server/config/cluster.config.js';
export { DiscoveryConfig } from './server/config/discovery.config.js';
export { OptionsModule } from './server/config/options.module.js';
export { ServiceConfig } from './server/config/service.config.js';
export { parseCommandLine } from './shared/config/parse-command-line.js';
export type { CommandLine, Options } from './shared/config/parse-command-line.js';
export { ServerEnvironment } from './shared/supervisor-link/supervisor-link.js';

// Further websockets: Nest gateways are routed automatically, other handlers add a route.
export { UpgradeRoutes } from './server/http/upgrade-routes.js';
export type { UpgradeHandler } from './server/http/upgrade-routes.js';
export type { UpgradeGatewayOptions } from './server/http/upgrade-ws-adapter.js';
