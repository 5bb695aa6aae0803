/**
 * The client of encrypted conferences: joins a meeting or a conference, sends and receives media encrypted end to end,
 * and tells who is there.
 *
 * @packageDocumentation
 */
export * from './conference.ts';
export * from './conference-platform.ts';
export * from './diagnosis/diagnosis.ts';
export * from './join-meeting.ts';
