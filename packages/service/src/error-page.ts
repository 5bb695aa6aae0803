/** Texts of the statuses that are answered with a page. */
const TITLES: Readonly<Record<number, string>> = {
  303: 'See other',
  400: 'Bad request',
  404: 'Not found',
  408: 'Request timeout',
  413: 'Payload too large',
  429: 'Too many requests',
  431: 'Request header fields too large',
  500: 'Internal error',
  501: 'No response from federation TURN server',
  503: 'Service unavailable',
};

/** A status that {@link errorPage} has words for. */
export function errorTitle(status: number): string {
  return `${status} ${TITLES[status] ?? (status >= 500 ? 'Internal error' : 'Bad request')}`;
}

/**
 * The page of an HTTP error, byte for byte what conference clients are used to. It depends on the status
 * alone: nothing of a request ever comes back in it.
 */
export function errorPage(status: number): string {
  const title = errorTitle(status);
  return (
    `<!DOCTYPE html>\n<html>\n<head><title>${title}</title></head>\n` +
    `<body><h2>${title}</h2></body>\n</html>\n`
  );
}
