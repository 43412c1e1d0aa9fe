#!/usr/bin/env node
/**
 * A kubectl that forwards to a port of this machine, and prints a kubeconfig. Its environment:
 * KUBECTL_LOG: file to which it appends each command line, and its process ID,
 * KUBECTL_FORWARD_TO: the port; absent: there is no such service,
 * KUBECTL_CONFIG: the kubeconfig as JSON.
 */
import { appendFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';

const args = process.argv.slice(2);
const { KUBECTL_LOG, KUBECTL_FORWARD_TO, KUBECTL_CONFIG = '{}' } = process.env;
if (KUBECTL_LOG) appendFileSync(KUBECTL_LOG, `${process.pid} ${args.join(' ')}\n`);

if (args.includes('port-forward')) forward();
else if (args.includes('--output=json')) process.stdout.write(KUBECTL_CONFIG);
else process.stdout.write(jsonPath(args.find((arg) => arg.startsWith('--output=jsonpath='))));

function forward() {
  if (!KUBECTL_FORWARD_TO) {
    process.stderr.write('Error from server (NotFound): services "packetflix" not found\n');
    process.exit(1);
  }
  const server = createServer((socket) => {
    process.stdout.write(`Handling connection for ${server.address().port}\n`);
    const upstream = connect(Number(KUBECTL_FORWARD_TO), '127.0.0.1');
    for (const [from, to] of [
      [socket, upstream],
      [upstream, socket],
    ]) {
      from.pipe(to);
      from.on('error', () => to.destroy());
    }
  });
  server.listen(0, '127.0.0.1', () => {
    process.stdout.write(`Forwarding from 127.0.0.1:${server.address().port} -> 5001\n`);
  });
  process.on('SIGUSR1', () => {
    process.stderr.write('error: lost connection to pod\n');
    process.exit(1);
  });
}

/** As far as kubectl-packetflix needs it: `{.a[0].b}`, and `{range .a.b[*]}{.c}={.d}{"\n"}{end}`. */
function jsonPath(option) {
  const template = option.slice('--output=jsonpath='.length);
  const config = JSON.parse(KUBECTL_CONFIG);
  const [, list, each] = /^\{range (.*)\[\*\]\}(.*)\{"\\n"\}\{end\}$/.exec(template) ?? [];
  if (!list) return fill(template, config);
  return (valueAt(config, list) ?? []).map((item) => `${fill(each, item)}\n`).join('');
}

function fill(template, value) {
  return template.replace(/\{(.*?)\}/g, (_, path) => valueAt(value, path) ?? '');
}

function valueAt(value, path) {
  const keys = path.match(/[^.[\]@]+/g) ?? [];
  return keys.reduce((found, key) => found?.[key], value);
}
