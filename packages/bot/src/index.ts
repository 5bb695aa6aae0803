/**
 * Bots: the client of encrypted conferences without a browser. Encoded frames of Opus and VP8 go in and come out; this
 * package encrypts them like every client, packs them into RTP and sends them over a UDP socket of its own, with repair of
 * losses both ways. Codecs are the application's.
 *
 * Left out: simulcast (a bot sends one layer), ICE over TCP and relays, adapting the bit rate to the network.
 *
 * @packageDocumentation
 */
export type { BotMediaOptions } from './bot-media.ts';
export { BotPlatform } from './bot-platform.ts';
export {
  type DatagramSocket,
  type OpenDatagramSocket,
  openUdpSocket,
  type ReceiveDatagram,
} from './datagram-socket.ts';
export * from './encoded-frame.ts';
export * from './join-as-bot.ts';
export type { MediaConnectionTotals } from './media-connection.ts';
export { OPUS_CLOCK_RATE, opusDurationTicks } from './opus-duration.ts';
export { isVp8KeyFrame, type PictureSize, vp8PictureSize } from './vp8-descriptor.ts';
