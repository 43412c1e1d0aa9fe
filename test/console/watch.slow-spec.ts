import { describeInBrowser } from '../kit/browser.js';
import { describeAsRoot } from '../kit/root.js';
import { serviceForAllTests } from '../kit/service.js';
import { PACKETS_PER_SECOND, watchLoad } from './watched-load.js';

const DURATION_MS = 60_000;

describeAsRoot('A capture of 5,000 packets/s for a minute', () =>
  describeInBrowser('in the browser', () => {
    const service = serviceForAllTests();

    it('stays smooth, and takes no more memory with time', async () => {
      const report = await watchLoad(service.current, DURATION_MS);
      console.info(JSON.stringify(report));
      expect(report.packetsPerSecond).toBeGreaterThan(0.9 * PACKETS_PER_SECOND);
      expect(report.frameGapMs).toBeLessThan(50);
      expect(report.heapMib[1]).toBeLessThan(report.heapMib[0] + 8);
      expect(report.rendererMib[1]).toBeLessThan(report.rendererMib[0] * 1.3);
    }, 180_000);
  }),
);
