/**
 * The selective forwarding server: HTTPS signalling in, conferences and transports behind it.
 *
 * @packageDocumentation
 */

export * from './admission.ts';
export * from './conference-host.ts';
export * from './network-interfaces.ts';
export * from './page-config.ts';
export * from './running-sft.ts';
export * from './sft.ts';
export * from './sft-config.ts';
export * from './sft-config-options.ts';
export * from './sft-metrics.ts';
export * from './signalling.ts';
export * from './signalling-cors.ts';
export * from './signalling-path.ts';
export * from './signalling-server.ts';
export * from './sister-choice.ts';
