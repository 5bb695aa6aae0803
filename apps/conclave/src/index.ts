/**
 * The `conclave` command: `conclave up` runs everything that a small site needs, `conclave sft` a selective forwarding
 * server alone, `conclave turn` a TURN server.
 *
 * @packageDocumentation
 */
export * from './cli.ts';
export * from './doctor-command.ts';
export * from './doctor-finding.ts';
export * from './init-command.ts';
export * from './self-made-certificate.ts';
export * from './sft-command.ts';
export * from './turn-command.ts';
export * from './up-command.ts';
export * from './up-options.ts';
export * from './up-plan.ts';
