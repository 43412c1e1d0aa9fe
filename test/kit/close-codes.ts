/** Close codes of the API. They are repeated here so that a changed number in the service fails the tests. */
export const CLOSE_ENDED = 1000;
export const CLOSE_SHUTTING_DOWN = 1001;
export const CLOSE_BIG_MESSAGE = 1009;
export const CLOSE_INVALID_REQUEST = 4400;
export const CLOSE_FORBIDDEN = 4403;
export const CLOSE_NOT_FOUND = 4404;
export const CLOSE_STALE_OR_AMBIGUOUS = 4409;
export const CLOSE_TOO_MANY_CAPTURES = 4429;
export const CLOSE_DISCOVERY_FAILED = 4502;
