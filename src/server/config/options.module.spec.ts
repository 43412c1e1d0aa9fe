import { ConfigService } from '@nestjs/config';
import { Test } from '@nestjs/testing';
import { getMetadataStorage } from 'class-validator';
import { OPTION_TABLE } from '../../shared/config/option-table.js';
import { parseCommandLine, type Options } from '../../shared/config/parse-command-line.js';
import { ServerEnvironment } from '../../shared/supervisor-link/supervisor-link.js';
import { CaptureConfig } from './capture.config.js';
import { ClusterConfig } from './cluster.config.js';
import { DiscoveryConfig } from './discovery.config.js';
import { OptionsModule } from './options.module.js';
import { ServiceConfig } from './service.config.js';

function optionsOf(...argv: string[]): Options {
  const parsed = parseCommandLine(argv, {});
  if (parsed.kind !== 'options') throw new Error(JSON.stringify(parsed));
  return parsed.options;
}

async function start(options: Options) {
  return await Test.createTestingModule({ imports: [OptionsModule.forRoot(options)] }).compile();
}

describe('OptionsModule', () => {
  it('provides the options by class and by namespace', async () => {
    const app = await start(optionsOf('--port', '5002', '--max-captures', '7', '--gw-port', '80'));
    expect(app.get(ServiceConfig)).toBeInstanceOf(ServiceConfig);
    expect(app.get(ServiceConfig).port).toBe(5002);
    expect(app.get(CaptureConfig).maxCaptures).toBe(7);
    expect(app.get(DiscoveryConfig)).toMatchObject({ ghostwirePort: 80, configured: true });
    expect(app.get(ServerEnvironment).supervised).toBe(false);
    expect(app.get(ConfigService).get('capture.maxCaptures')).toBe(7);
    expect(app.get(ConfigService).get('PATH')).toBeUndefined();
  });

  it('refuses values that are not valid, all at once', async () => {
    const { service, capture, discovery, cluster, environment } = optionsOf();
    const options: Options = {
      service: { ...service, port: 65_536, host: 'a b', allowedOrigins: ['null'] },
      capture: { ...capture, ringMemoryMebibytes: 511 },
      discovery: { ...discovery, local: true, proxy: true },
      cluster: { ...cluster, nodes: ['a b'], nodeCaFile: '' },
      environment,
    };
    await expect(start(options)).rejects.toThrow(
      [
        'host must be an address or a host name, not "a b"',
        'port must be a whole number from 0 to 65535, not 65536',
        'allowedOrigins must be origins of web pages, such as https://host.example:8443, without a path and never ' +
          '"null", not ["null"]',
        'ringMemoryMebibytes must be at least 512 MiB, not 511 MiB: 2 MiB for each of the 256 captures that ' +
          'maxCaptures allows',
        'local and proxy exclude each other: both serve /discover/mobyshark',
        'nodes must be addresses of nodes, such as 192.0.2.1, worker1:5001 or https://worker1:5001, or dns:NAME:PORT, not ' +
          '["a b"]',
        'nodeCaFile must be the name of a file, not ""',
      ].join('\n'),
    );
  });
});

describe('The option table', () => {
  it('has a validated field in the class of its section for each option', () => {
    const validated = {
      service: ServiceConfig,
      capture: CaptureConfig,
      discovery: DiscoveryConfig,
      cluster: ClusterConfig,
    };
    for (const { section, field } of OPTION_TABLE) {
      const metadata = getMetadataStorage().getTargetValidationMetadatas(validated[section], '', true, false);
      expect(metadata.map(({ propertyName }) => propertyName)).toContain(field);
    }
  });

  it('has a valid default for each option, and unique names', () => {
    for (const { type, defaultValue } of OPTION_TABLE) {
      if (defaultValue !== undefined) expect(type.accepts(defaultValue)).toBe(true);
    }
    for (const names of [
      OPTION_TABLE.map(({ field }) => field),
      OPTION_TABLE.map(({ flag }) => flag),
      OPTION_TABLE.map(({ variable }) => variable),
    ]) {
      expect(new Set(names).size).toBe(names.length);
    }
  });
});
