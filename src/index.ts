/**
 * The public face: what a team may rely on that builds its own application from this service, or extends it in its own
 * folder. Everything else may change with any version; what changes here is in the CHANGELOG. How to go about it: see
 * docs/architecture.md, "Swap a provider" and "Add a module".
 *
 * Nothing of the privileged side is here: whatever is added runs in the front, without privileges.
 */

// The application, whole or in parts.
export { AppModule } from './app.module.js';
export { CaptureModule } from './capture/capture.module.js';
export type { CaptureModuleOptions, Implementation } from './capture/capture.module.js';
export { createFront } from './front/create-front.js';
export { OperatorModule } from './operator/operator.module.js';
export { UpgradeModule } from './upgrade/upgrade.module.js';
export { VersionModule } from './version/version.module.js';
export { SERVICE_NAME, SERVICE_VERSION } from './version/service-version.js';

// Port: what captures.
export { CaptureProvider, HEADER_ROOM_BYTES } from './capture/capture-provider.js';
export type { Capture, CaptureEnd, CaptureRequest, TakePiece } from './capture/capture-provider.js';
export type {
  CaptureLimit,
  CaptureLimits,
  CaptureTotals,
  NetnsReference,
  TcpConnection,
  TcpEndpoint,
} from './engine/protocol.js';

// Port: from what a client means to the network namespaces that it may mean.
export { NetnsResolver } from './capture/netns-resolver.js';
export type { ResolvedTarget } from './capture/netns-resolver.js';
export type { CaptureTarget } from './capture/capture-target.js';

// Port: what there is to capture from.
export { isNamed, TargetDirectory, TargetDirectoryError } from './discovery/target-directory.js';
export type { DirectoryEntry, FindOptions, TargetDirectoryFailure } from './discovery/target-directory.js';

// The implementations that come along, for those who wrap one.
export { LibpcapCaptureProvider } from './capture/libpcap/libpcap-capture-provider.js';
export { TableNetnsResolver } from './capture/table-netns-resolver.js';
export { GhostwireTargetDirectory } from './discovery/ghostwire/ghostwire-target-directory.js';

// The only errors that a provider or a resolver throws.
export { CaptureError } from './capture/capture-errors.js';
export type { CaptureErrorCode } from './capture/capture-errors.js';

// Whether the service can do what it is there for: add what your own parts need.
export { HealthModule } from './health/health.module.js';
export { Readiness } from './health/readiness.js';
export type { PartReadiness, ReadinessCheck } from './health/readiness.js';

// What Prometheus collects: add what your own parts count.
export { MetricsModule } from './metrics/metrics.module.js';
export { ServiceMetrics } from './metrics/service-metrics.js';

// The options: read once, injected by class.
export { CaptureConfig } from './config/capture.config.js';
export { DiscoveryConfig } from './config/discovery.config.js';
export { EngineConfig } from './config/engine.config.js';
export { OptionsModule } from './config/options.module.js';
export type { Options } from './config/options.js';
export { parseCommandLine } from './config/parse-command-line.js';
export type { CommandLine } from './config/parse-command-line.js';
export { ServiceConfig } from './config/service.config.js';

// Websockets beside `/capture`: Nest gateways find their way by themselves, others take a route.
export { UpgradeRoutes } from './upgrade/upgrade-routes.js';
export type { UpgradeHandler } from './upgrade/upgrade-routes.js';
export type { UpgradeGatewayOptions } from './upgrade/upgrade-ws-adapter.js';
