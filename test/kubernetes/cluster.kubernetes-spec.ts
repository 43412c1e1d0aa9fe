import { serviceImageFile } from '../container/service-image.js';
import { Cluster } from './cluster.js';
import { BINARY, describeWithCluster } from './describe-with-cluster.js';

describeWithCluster('The chart on Kubernetes', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    const t0 = performance.now();
    const image = await serviceImageFile();
    console.log('image', performance.now() - t0);
    cluster = await Cluster.start(BINARY, [image]);
    console.log('cluster', performance.now() - t0);
  }, 900_000);
  afterAll(() => cluster?.[Symbol.asyncDispose](), 60_000);

  it('starts', async () => {
    console.log(await cluster.kubectl('get', 'nodes,pods', '-A', '-o', 'wide'));
  });
});
