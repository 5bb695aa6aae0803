/**
 * The STUN and TURN server: its settings, and a running one made of the state machine of `@conclave/turn` and the
 * relay plane of `@conclave/forwarder`.
 *
 * @packageDocumentation
 */
export * from './credential-issuer.ts';
export * from './running-turn.ts';
export * from './turn.ts';
export * from './turn-config.ts';
export {
  checkTurnFiles,
  type TurnOptionValues,
  toTurnConfig,
  turnEnvironmentPrefix,
  turnOptions,
} from './turn-config-options.ts';
export { formatTransportAddress } from './turn-listen-option.ts';
