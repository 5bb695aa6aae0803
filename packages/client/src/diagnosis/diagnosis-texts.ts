import type { DiagnosisFinding, DiagnosisStepId, DiagnosisStepState, DiagnosisVerdict } from './diagnosis.ts';

/** What a finding means, in plain English. */
export interface FindingText {
  readonly state: Extract<DiagnosisStepState, 'passed' | 'failed' | 'skipped'>;
  readonly result: string;
  readonly advice?: string;
}

const PERMISSION =
  'Click the symbol beside the address of this page, allow it there, and run the test again. If it is allowed there, look into the privacy settings of your system.';
const OTHER_PROGRAM = 'Close other programs and pages that may be using it, then run the test again.';
const PLUG_IN = 'Plug one in or switch it on, and run the test again.';

const ONLY_IF_BLOCKED =
  'That only matters in networks that let nothing reach the media port. There the network administrator has to allow one of the ways to the TURN server that the text below names.';

/** The text of every finding. */
export const findingTexts: Readonly<Record<DiagnosisFinding, FindingText>> = {
  'encryption-supported': { state: 'passed', result: 'This browser can encrypt calls from end to end.' },
  'encryption-missing': {
    state: 'failed',
    result: 'This browser cannot encrypt calls from end to end.',
    advice: 'Update it, or use a current Firefox, Chrome, Edge or Safari.',
  },
  'webrtc-missing': {
    state: 'failed',
    result: 'This browser cannot make calls at all, or an extension keeps it from doing so.',
    advice: 'Switch off extensions that block WebRTC, or use a current Firefox, Chrome, Edge or Safari.',
  },
  'insecure-page': {
    state: 'failed',
    result: 'This page did not come over HTTPS, so the browser allows it no calls.',
    advice: 'Open it by an address that begins with https://.',
  },
  'microphone-works': { state: 'passed', result: 'The microphone works.' },
  'microphone-silent': {
    state: 'passed',
    result: 'The microphone can be used, but not the faintest sound came from it.',
    advice:
      'See whether it has a switch that is off, or whether the system has muted it or uses another one.',
  },
  'microphone-denied': {
    state: 'failed',
    result: 'This page may not use the microphone.',
    advice: PERMISSION,
  },
  'microphone-absent': { state: 'failed', result: 'No microphone was found.', advice: PLUG_IN },
  'microphone-busy': {
    state: 'failed',
    result: 'The microphone is there, but the system does not hand it out.',
    advice: OTHER_PROGRAM,
  },
  'microphone-failed': {
    state: 'failed',
    result: 'The microphone could not be opened.',
    advice: OTHER_PROGRAM,
  },
  'camera-works': { state: 'passed', result: 'The camera works.' },
  'camera-denied': { state: 'failed', result: 'This page may not use the camera.', advice: PERMISSION },
  'camera-absent': {
    state: 'failed',
    result: 'No camera was found. Calls work without one.',
    advice: PLUG_IN,
  },
  'camera-busy': {
    state: 'failed',
    result: 'The camera is there, but the system does not hand it out.',
    advice: OTHER_PROGRAM,
  },
  'camera-failed': { state: 'failed', result: 'No picture came from the camera.', advice: OTHER_PROGRAM },
  'server-reachable': { state: 'passed', result: 'The server answers.' },
  'server-url-wrong': {
    state: 'failed',
    result: 'The address of the server is none.',
    advice: 'The meeting link was probably cut off. Ask for it again.',
  },
  'server-insecure': {
    state: 'failed',
    result: 'The server is named with an address that begins with http://, which browsers refuse here.',
    advice: 'Ask for a link whose server has an https:// address.',
  },
  'server-foreign': {
    state: 'failed',
    result: 'Something answers at the address of the server, but it is no conference server.',
    advice:
      'If you are in a hotel, train or guest network, open any other page first and sign in there. Otherwise a proxy may stand in the way, or the address is wrong.',
  },
  'server-cors': {
    state: 'failed',
    result: 'The server answers, but does not allow calls from this page.',
    advice: 'Open the page that the server itself serves, or ask its operator to allow this one.',
  },
  'server-certificate': {
    state: 'failed',
    result: 'The server is there, but no secure connection came about: most likely its certificate is wrong.',
    advice:
      'Check the date and time of this device. If they are right, open the address of the server in a tab of its own: the browser says there what it does not like. A certificate may have expired, be for another name, or come from an authority that this device does not know; or a filter in the network replaces it.',
  },
  'server-refused': {
    state: 'failed',
    result:
      'Nothing answers at the address of the server: the connection is refused, or the name is unknown.',
    advice:
      'Check whether other pages open. If they do, the server is switched off, the address is wrong, or a firewall refuses it.',
  },
  'server-timeout': {
    state: 'failed',
    result: 'The server did not answer in time.',
    advice:
      'Check whether other pages open. If they do, a firewall probably drops connections to the server.',
  },
  'server-unreachable': {
    state: 'failed',
    result: 'The server cannot be reached, and the browser does not tell why.',
    advice: 'Check whether other pages open, and whether an extension of the browser blocks this one.',
  },
  'conference-offered': { state: 'passed', result: 'The server lets a caller into a test conference.' },
  'conference-client-too-old': {
    state: 'failed',
    result: 'The server refuses this version of the page.',
    advice: 'Reload the page. If that does not help, the page and the server are of different releases.',
  },
  'conference-token-needed': {
    state: 'failed',
    result:
      'The server lets in only callers with a ticket of their own, so it cannot be tested further from here.',
    advice: 'Join your call by the program that you got the ticket for.',
  },
  'conference-refused': {
    state: 'failed',
    result: 'The server refused the test call.',
    advice: 'Try again in some minutes, then ask its operator.',
  },
  'conference-busy': {
    state: 'failed',
    result: 'The server takes no more callers at this moment.',
    advice: 'Try again in some minutes, then ask its operator.',
  },
  'conference-timeout': {
    state: 'failed',
    result: 'The server took too long to answer a call.',
    advice: 'Try again in some minutes, then ask its operator.',
  },
  'conference-failed': {
    state: 'failed',
    result: 'The server could not answer a call.',
    advice: 'Try again in some minutes, then ask its operator. A filtering proxy can also be the cause.',
  },
  'udp-works': { state: 'passed', result: 'Voice and video can go over UDP, the best way.' },
  'udp-blocked': {
    state: 'failed',
    result: 'Voice and video cannot go over UDP.',
    advice:
      'Ask the network administrator to allow UDP to the addresses of the server that the text below names. Until then calls run over TCP if that works, with more delay on poor networks.',
  },
  'udp-not-offered': {
    state: 'failed',
    result: 'The server offers no way over UDP.',
    advice: 'Its operator can open the media port for UDP.',
  },
  'tcp-works': { state: 'passed', result: 'Voice and video can go over TCP where UDP is blocked.' },
  'tcp-blocked': {
    state: 'failed',
    result: 'Voice and video cannot go over TCP.',
    advice: 'That only matters in networks that block UDP.',
  },
  'tcp-not-offered': {
    state: 'failed',
    result: 'The server offers no way over TCP.',
    advice: 'That only matters in networks that block UDP.',
  },
  'turn-udp-works': { state: 'passed', result: 'Voice and video can go through the TURN server over UDP.' },
  'turn-udp-blocked': {
    state: 'failed',
    result: 'The TURN server cannot be reached over UDP.',
    advice: ONLY_IF_BLOCKED,
  },
  'turn-tcp-works': {
    state: 'passed',
    result: 'Voice and video can go through the TURN server over TCP, where nothing else passes.',
  },
  'turn-tcp-blocked': {
    state: 'failed',
    result: 'The TURN server cannot be reached over TCP.',
    advice: ONLY_IF_BLOCKED,
  },
  'turn-tls-works': {
    state: 'passed',
    result:
      'Voice and video can go through the TURN server over TLS, which looks like a secure page to the network.',
  },
  'turn-tls-blocked': {
    state: 'failed',
    result: 'The TURN server cannot be reached over TLS.',
    advice: ONLY_IF_BLOCKED,
  },
  'turn-without-media': {
    state: 'failed',
    result: 'The TURN server answers, but voice and video do not pass through it.',
    advice: 'Its operator has to let it reach the media ports of the conference server.',
  },
  'channel-works': { state: 'passed', result: 'Messages between this browser and the server pass.' },
  'channel-silent': {
    state: 'failed',
    result: 'The connection stands, but messages on it get no answer.',
    advice:
      'Something on the way lets only some packets through, often a VPN or a firewall that cuts long ones.',
  },
  'quality-good': { state: 'passed', result: 'The connection is quick and loses hardly anything.' },
  'quality-fair': {
    state: 'passed',
    result: 'The connection is good enough, but it is slow or loses packets.',
    advice: 'A cable instead of Wi-Fi, or a place nearer to the access point, makes calls clearer.',
  },
  'quality-poor': {
    state: 'failed',
    result: 'The connection is too slow or loses too much for a clear call.',
    advice:
      'Use a cable instead of Wi-Fi or go nearer to the access point, and stop large transfers. Without video a call needs far less.',
  },
  'quality-unknown': { state: 'skipped', result: 'The browser could not tell how good the connection is.' },
  'skipped-by-choice': { state: 'skipped', result: 'Not tested, as you wished.' },
  'skipped-after-failure': {
    state: 'skipped',
    result: 'Not tested, because something that it needs has failed before.',
  },
};

/** What steps are called in the summary. */
export const stepTitles: Readonly<Record<DiagnosisStepId, string>> = {
  encryption: 'Encryption',
  microphone: 'Microphone',
  camera: 'Camera',
  server: 'Server over HTTPS',
  conference: 'Test conference',
  udp: 'Media over UDP',
  tcp: 'Media over TCP',
  'turn-udp': 'TURN over UDP',
  'turn-tcp': 'TURN over TCP',
  'turn-tls': 'TURN over TLS',
  channel: 'Data channel',
  quality: 'Quality',
};

/** The verdict in one sentence. */
export const verdictTexts: Readonly<Record<DiagnosisVerdict, string>> = {
  running: 'Testing what a call needs …',
  good: 'Calls will work here.',
  limited: 'Calls will work here, but not with everything.',
  bad: 'Calls will not work here yet.',
};
