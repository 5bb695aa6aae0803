/**
 * What every server process needs around its own work: options from flags, environment and file, a registry
 * of errors, logs that keep secrets, rate limits, HTTP servers that survive hostile peers, metrics, and an
 * orderly end. Knows nothing of conferences.
 *
 * @packageDocumentation
 */
export * from './client-address.ts';
export * from './command-line.ts';
export * from './config-file.ts';
export * from './error-page.ts';
export * from './error-registry.ts';
export * from './file-watcher.ts';
export * from './help-text.ts';
export * from './http-server.ts';
export * from './load-options.ts';
export * from './logger.ts';
export * from './metrics-registry.ts';
export * from './metrics-server.ts';
export * from './option.ts';
export * from './poll-timer.ts';
export * from './rate-limiter.ts';
export * from './redaction.ts';
export * from './secret-file.ts';
export * from './shutdown.ts';
export * from './tls-files.ts';
