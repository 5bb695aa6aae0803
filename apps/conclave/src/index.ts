/**
 * The `conclave` command: `conclave sft` runs a selective forwarding server.
 *
 * @packageDocumentation
 */
export * from './cli.ts';
export * from './sft-command.ts';
