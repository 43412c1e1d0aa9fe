/**
 * The public face: what a team may rely on that builds its own application from this service, or extends it in its own
 * folder. Everything else may change with any version; what changes here is in the CHANGELOG. How to go about it: see
 * docs/architecture.md, "Swap a provider" and "Add a module".
 *
 * Nothing of the privileged side is here: whatever is added runs in the server, without privileges.
 */

// The application, whole or in parts.
export { AppModule } from './server/app.module.js';
export { CaptureModule } from './server/capture/capture.module.js';
export type { CaptureModuleOptions } from './server/capture/capture.module.js';
export { DiscoveryModule } from './server/discovery/discovery.module.js';
export type {
  DiscoveryModuleAsyncOptions,
  DiscoveryModuleOptions,
} from './server/discovery/discovery.module.js';
export type { Implementation } from './server/implementation.js';
export { createApplication } from './server/server.js';
export { OperationsModule } from './server/operations/operations.module.js';
export type { OperationsModuleOptions, OperatorAddress } from './server/operations/operator-port.js';
export { HttpModule } from './server/http/http.module.js';
export { VersionModule } from './server/version/version.module.js';
export { SERVICE_NAME, SERVICE_VERSION } from './shared/service-version.js';

// Port: what captures.
export { CaptureProvider, HEADER_ROOM_BYTES } from './server/capture/capture-provider.js';
export type { Capture, CaptureEnd, TakePiece } from './server/capture/capture-provider.js';
export type { CaptureTotals } from './shared/protocol/protocol.js';
export type {
  CaptureLimit,
  CaptureLimits,
  CaptureSpec,
  NetnsReference,
  TcpConnection,
  TcpEndpoint,
} from './shared/protocol/capture-spec.js';

// Port: from what a client means to the network namespaces that it may mean.
export { NetnsResolver } from './server/capture/resolve/netns-resolver.js';
export type { ResolvedTarget } from './server/capture/resolve/netns-resolver.js';
export type { CaptureTarget } from './server/capture/request/capture-target.js';

// Port: the list of capture targets.
export { isNamed, TargetDirectory, TargetDirectoryError } from './server/discovery/target-directory.js';
export type {
  DirectoryEntry,
  FindOptions,
  TargetDirectoryFailure,
} from './server/discovery/target-directory.js';

// The implementations that come along, for those who wrap one.
export { EngineCaptureProvider } from './server/engine-client/engine-capture-provider.js';
export { TableNetnsResolver } from './server/capture/resolve/table-netns-resolver.js';
export { DiscovererTargetDirectory } from './server/discovery/discoverer-target-directory.js';
export { FallbackTargetDirectory } from './server/discovery/fallback-target-directory.js';
export { GhostwireTargetDirectory } from './server/discovery/ghostwire-target-directory.js';

// The only errors that a provider or a resolver throws.
export { CaptureError } from './shared/protocol/capture-error.js';
export type { CaptureErrorCode } from './shared/protocol/capture-error.js';

// Whether the service can do what it is there for: add what your own parts need.
export { Readiness } from './server/operations/readiness.js';
export type { PartReadiness, ReadinessCheck } from './server/operations/readiness.js';

// What Prometheus collects: add what your own parts count.
export { ServiceMetrics } from './server/operations/service-metrics.js';

// The options: read once, injected by class.
export { CaptureConfig } from './server/config/capture.config.js';
export { DiscoveryConfig } from './server/config/discovery.config.js';
export { OptionsModule } from './server/config/options.module.js';
export { ServiceConfig } from './server/config/service.config.js';
export { parseCommandLine } from './shared/config/parse-command-line.js';
export type { CommandLine, Options } from './shared/config/parse-command-line.js';
export { ServerEnvironment } from './shared/supervisor-link/supervisor-link.js';

// Websockets beside `/capture`: Nest gateways find their way by themselves, others take a route.
export { UpgradeRoutes } from './server/http/upgrade-routes.js';
export type { UpgradeHandler } from './server/http/upgrade-routes.js';
export type { UpgradeGatewayOptions } from './server/http/upgrade-ws-adapter.js';
