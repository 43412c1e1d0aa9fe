import { explanationOf } from './service-answer.js';

describe('The explanation of a refusal', () => {
  it.each([
    [400, 'nif is empty', 'Nif is empty.'],
    [400, '', 'The service answers with status 400.'],
    [401, '', 'You are not logged in any more. Reload the page to log in again.'],
    [403, 'Allow the name.', 'The service refuses this. Allow the name.'],
    [403, '', 'The service refuses this. Ask its operator whether you may use it.'],
    [429, 'too many', 'The service is busy. Too many. Wait a little and try again.'],
    [502, '', 'The service is not available at present. Try again; if it stays so, look at its log.'],
    [500, '', 'The service has failed with status 500. Its log says more.'],
  ])('with status %d and the message "%s" says what to do', (status, message, explanation) => {
    expect(explanationOf(status, message)).toBe(explanation);
  });
});
