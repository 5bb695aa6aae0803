/**
 * The client of encrypted conferences: joins a meeting or a conference, sends and receives media encrypted end to end,
 * and tells who is there.
 *
 * @packageDocumentation
 */
export {
  createMeetingSecret,
  formatMeetingFragment,
  frameTransformSupport,
  type MeetingLink,
  parseMeetingLink,
} from '@conclave/e2ee';
export * from './browser-platform.ts';
export * from './client-error.ts';
export * from './conference.ts';
export * from './conference-platform.ts';
export * from './diagnosis/diagnose.ts';
export * from './diagnosis/diagnosis.ts';
export type { DiagnosisPlatform } from './diagnosis/diagnosis-platform.ts';
export * from './join-conference.ts';
export * from './join-meeting.ts';
export * from './server-ice-servers.ts';
