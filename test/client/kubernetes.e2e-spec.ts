import { chmodSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child } from '../kit/child.js';
import { eventually } from '../kit/eventually.js';
import { namespaceOfProcess } from '../kit/namespace-holders.js';
import { missingPrograms, reportSkipped } from '../kit/required-programs.js';
import { describeAsRoot } from '../kit/root.js';
import { readWithWireshark } from '../kit/second-opinion.js';
import { CAPTURE_COMMAND, PROJECT, Service } from '../kit/service.js';
import { removeFolder } from '../kit/teardown.js';

const KUBECTL = `${PROJECT}test/client/programs/kubectl.mjs`;
const PLUGIN = `${PROJECT}kubernetes/kubectl-packetflix`;
const TOKEN = 'the-token-of-the-service-0123456789';

/** The two ways to capture in a cluster, and the signal by which they are killed: a shell can do nothing about SIGKILL. */
const CLIENTS = [
  ['npm run capture -- --kubernetes', process.execPath, [CAPTURE_COMMAND], ['--kubernetes'], 'SIGKILL'],
  ['kubectl packetflix', 'sh', [PLUGIN], [], 'SIGTERM'],
] as const;

describeAsRoot('In a cluster', () => {
  const missing = missingPrograms([['curl', 'curl']]);
  if (missing.length > 0) reportSkipped('tests of kubectl packetflix', missing);
  describe.each(missing.length > 0 ? CLIENTS.slice(0, 1) : CLIENTS)(
    'the command "%s"',
    (_, program, first, last, deadly) => {
      let folder: string;
      let service: Service;
      beforeAll(async () => {
        folder = mkdtempSync(join(tmpdir(), 'kubernetes-client-'));
        chmodSync(folder, 0o755); // the service drops root
        writeFileSync(join(folder, 'token'), `${TOKEN}\n`);
        service = await Service.start(['--local-discovery', '--token-file', join(folder, 'token')]);
      });
      afterAll(async () => {
        await service?.[Symbol.asyncDispose]();
        await removeFolder(folder);
      });
      afterEach(() => writeFileSync(join(folder, 'kubectl.log'), ''));

      const client = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Child> =>
        Child.start(program, [...first, ...args, ...last], {
          ...process.env,
          KUBECTL,
          KUBECTL_LOG: join(folder, 'kubectl.log'),
          KUBECTL_FORWARD_TO: String(service.port),
          KUBECONFIG: `/nonexistent/config:${folder}/config`,
          ...env,
        });
      const userWith = (user: object): NodeJS.ProcessEnv => ({
        KUBECTL_CONFIG: JSON.stringify({
          users: [{ name: 'me', user }],
          clusters: [{ cluster: { server: 'https://x' } }],
        }),
      });
      const kubectlLog = (): string => readFileSync(join(folder, 'kubectl.log'), 'utf8');
      const forwarding = (): number => Number(/^(\d+) .*port-forward/m.exec(kubectlLog())?.[1] ?? NaN);
      const forwardEnds = (): Promise<unknown> =>
        eventually('kubectl to end', () => !existsSync(`/proc/${forwarding()}`));

      it('captures by a port-forward with the token of the kubeconfig, and ends both with Ctrl-C', async () => {
        await using namespace = await namespaceOfProcess();
        await namespace.setUp('lo');
        const file = join(folder, 'packets.pcapng');
        const name = `sleep(${namespace.pid})`;
        await using child = await client(
          [
            '--type',
            'proc',
            '--target',
            name,
            '--filter',
            'icmp',
            '-w',
            file,
            '--context',
            'test',
            '--service',
            'a/b',
          ],
          userWith({ token: TOKEN }),
        );
        await eventually('the stream', () => existsSync(file));
        await eventually('the interface to join', () => service.log.includes('"capture started"'));
        const pings = ['busybox', 'ping', '-c', '3', '-i', '0.1', '127.0.0.1'] as const;
        await eventually('packets in the file', async () => {
          await namespace.exec(...pings);
          return (await readWithWireshark(readFileSync(file))).packets >= 6;
        });
        child.signal('SIGINT');
        await child.ended;
        await forwardEnds();
        expect(kubectlLog()).toMatch(/port-forward .*--context=test/);
        expect(kubectlLog()).toMatch(/--namespace a service\/b :5001$/m);
        expect(child.stdout + child.stderr).not.toContain(TOKEN);
      });

      it('lists the targets', async () => {
        await using namespace = await namespaceOfProcess();
        await namespace.setUp('lo');
        await using child = await client(['list'], { PACKETFLIX_TOKEN: TOKEN });
        expect(await child.succeeded()).toMatch(
          new RegExp(`^proc +sleep\\(${namespace.pid}\\) .*\\blo\\b`, 'm'),
        );
        await forwardEnds();
        expect(kubectlLog()).not.toMatch(/config view/);
      });

      it.each([
        ['a file', () => userWith({ tokenFile: 'token' })],
        ['a credential plugin', () => userWith({ exec: credentialPlugin() })],
      ])('uses %s of the kubeconfig', async (__, environment) => {
        await using child = await client(['list', '--json'], environment());
        expect(JSON.parse(await child.succeeded())).toHaveProperty('targets');
      });

      /** Prints the token if it is run as kubectl does. */
      function credentialPlugin(): object {
        const apiVersion = 'client.authentication.k8s.io/v1';
        const plugin = join(folder, 'plugin');
        const credential = JSON.stringify({ apiVersion, kind: 'ExecCredential', status: { token: TOKEN } });
        const checks = `[ "$1 $2 $GREETING" = "get a token hello you" ] && echo "$KUBERNETES_EXEC_INFO" | grep -q '"apiVersion":"${apiVersion}"'`;
        writeFileSync(plugin, `#!/bin/sh\n${checks} && echo '${credential}'\n`);
        chmodSync(plugin, 0o755);
        return {
          apiVersion,
          command: './plugin',
          args: ['get', 'a token'],
          env: [{ name: 'GREETING', value: 'hello you' }],
        };
      }

      it('says what to do when the service wants a token and the kubeconfig has none', async () => {
        await using child = await client(
          ['-n', 'shop', '-w', '-'],
          userWith({ 'client-certificate-data': 'x' }),
        );
        expect(await child.ended).not.toBe(0);
        expect(child.stderr).toMatch(/401.*kubectl create token/);
        expect(child.stdout).toBe('');
        await forwardEnds();
      });

      it('shows the reason of a refusal', async () => {
        const args = ['-n', 'shop', '--filter', 'prt 80', '-w', '-'];
        await using child = await client(args, { PACKETFLIX_TOKEN: TOKEN });
        expect(await child.ended).not.toBe(0);
        expect(child.stderr).toMatch(/filter.*syntax error/);
        await forwardEnds();
      });

      it('shows what kubectl says when there is no such service', async () => {
        await using child = await client(['list'], { KUBECTL_FORWARD_TO: '' });
        expect(await child.ended).not.toBe(0);
        expect(child.stderr).toMatch(/services "packetflix" not found[\s\S]*kubectl port-forward has ended/);
      });

      it('says that kubectl is missing', async () => {
        await using child = await client(['list'], { KUBECTL: '/nonexistent/kubectl' });
        expect(await child.ended).not.toBe(0);
        expect(child.stderr).toMatch(/cannot run \/nonexistent\/kubectl; install kubectl/);
      });

      it('ends with a message when the port-forward ends', async () => {
        const file = join(folder, 'lost.pcapng');
        await using child = await client(['-n', 'shop', '-w', file], { PACKETFLIX_TOKEN: TOKEN });
        await eventually('the stream', () => existsSync(file));
        process.kill(forwarding(), 'SIGUSR1');
        expect(await child.ended).not.toBe(0);
        expect(child.stderr).toMatch(/lost connection to pod/);
        expect(child.stderr).toMatch(/kubectl port-forward has ended/);
      });

      it('takes kubectl with it when it is killed', async () => {
        const file = join(folder, 'killed.pcapng');
        await using child = await client(['-n', 'shop', '-w', file], { PACKETFLIX_TOKEN: TOKEN });
        await eventually('the stream', () => existsSync(file));
        child.signal(deadly);
        await forwardEnds();
      });
    },
  );
});
