import { heldCapabilities } from './held-capabilities.js';

function status(permitted: string, effective: string): string {
  return `Name:\tnode\nCapInh:\t0000000000000000\nCapPrm:\t${permitted}\nCapEff:\t${effective}\nCapBnd:\t000001ffffffffff\n`;
}

const NONE = '0000000000000000';

describe('The capabilities that a process still has', () => {
  it.each([
    ['none, whatever the bounding set', status(NONE, NONE), []],
    ['effective ones', status(NONE, '0000000000200000'), ['CapEff 0000000000200000']],
    [
      'permitted ones, which it could take back',
      status('0000000000200000', NONE),
      ['CapPrm 0000000000200000'],
    ],
    ['perhaps all, where it cannot be told', 'Name:\tnode\n', ['CapPrm unknown', 'CapEff unknown']],
  ])('are %s', (_, text, expected) => {
    expect(heldCapabilities(text)).toEqual(expected);
  });
});
