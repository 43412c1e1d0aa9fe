/** One value of a metric. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Inf)|NaN)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\[\\n"])*)"(?:,|$)/gy;

/**
 * A strict parser of the Prometheus text format: it throws on any line that is neither a comment nor a sample of a metric
 * declared before.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 */
export function readSamples(text: string): Sample[] {
  if (!text.endsWith('\n')) throw new Error('the last line has no line feed');
  const declared = new Set<string>();
  return text.split('\n').flatMap((line) => {
    const [, declaration] = /^# TYPE (\S+) (?:counter|gauge|histogram)$/.exec(line) ?? [];
    if (declaration !== undefined) declared.add(declaration);
    if (line === '' || line.startsWith('# ')) return [];
    const [, name = '', labels = '', value] = SAMPLE.exec(line) ?? [];
    const family = name.replace(/_(bucket|sum|count)$/, '');
    if (!declared.has(name) && !declared.has(family))
      throw new Error(`not a sample of a declared metric: ${line}`);
    return [{ name, labels: readLabels(labels), value: Number(value?.replace('Inf', 'Infinity')) }];
  });
}

function readLabels(text: string): Record<string, string> {
  const found = [...text.matchAll(LABEL)];
  if (found.map(([pair]) => pair).join('') !== text) throw new Error(`invalid labels: ${text}`);
  return Object.fromEntries(found.map(([, name, value]) => [name!, value!]));
}
