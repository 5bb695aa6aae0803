import type { ConnectionQuality } from '@conclave/client';
import type { Happening } from './state/happenings.ts';
import type { MediaFault } from './state/media-fault.ts';
import type { LinkFault } from './state/meeting-address.ts';
import type { Problem } from './state/problem.ts';
import type { Command } from './state/shortcuts.ts';

/** A title, what is the matter, and what to do. */
export interface ProblemText {
  readonly title: string;
  readonly body: string;
  /** Single steps, most promising first. */
  readonly advice: readonly string[];
}

const titles: Readonly<Record<string, string>> = {
  start: 'Conclave',
  lobby: 'Join the meeting – Conclave',
  returning: 'Returning – Conclave',
  call: 'In a call – Conclave',
  left: 'You left – Conclave',
  problem: 'No call – Conclave',
  diagnosis: 'Why does my call not connect? – Conclave',
};

const microphoneFaults: Readonly<Record<MediaFault, string>> = {
  denied:
    'This page may not use your microphone. Allow it with the icon beside the address, and in your system’s privacy settings.',
  busy: 'Another program is using your microphone. Close it there, then try again.',
  absent: 'No microphone was found. Plug one in, then try again.',
  insecure: 'Browsers give no microphone to pages without HTTPS. Open this page at its https:// address.',
  lost: 'Your microphone was unplugged. Plug it in again or choose another one.',
  failed: 'Your microphone does not work at the moment. Try again, or choose another one.',
};

const cameraFaults: Readonly<Record<MediaFault, string>> = {
  denied:
    'This page may not use your camera. Allow it with the icon beside the address, and in your system’s privacy settings.',
  busy: 'Another program is using your camera. Close it there, then try again.',
  absent: 'No camera was found. You can join without one.',
  insecure: 'Browsers give no camera to pages without HTTPS. Open this page at its https:// address.',
  lost: 'Your camera was unplugged. Plug it in again or choose another one.',
  failed: 'Your camera does not work at the moment. Try again, or choose another one.',
};

/** Where microphone and camera have the same fault, and one sentence does for both. */
const bothFaults: Readonly<Partial<Record<MediaFault, string>>> = {
  denied:
    'This page may not use your microphone and camera. Allow both with the icon beside the address, and in your system’s privacy settings.',
  insecure:
    'Browsers give neither microphone nor camera to pages without HTTPS. Open this page at its https:// address.',
};

const linkFaults: Readonly<Record<LinkFault, string>> = {
  empty: 'Paste the link that you were sent.',
  'no-link': 'This is not a meeting link. One has a long part after the # sign.',
  version:
    'This link was made by a newer Conclave than this one. Reload the page, or open the link in your browser.',
  damaged: 'Part of this link is missing. Copy the whole of it, up to its last character.',
};

const problems: Readonly<Record<Problem, ProblemText>> = {
  unreachable: {
    title: 'The server does not answer',
    body: 'Your browser could not reach the server of this meeting.',
    advice: [
      'Check that you are online, then try again.',
      'At work or in a hotel, the network may block it. Find out with “Why does my call not connect?”',
    ],
  },
  blocked: {
    title: 'Your network blocks the call',
    body: 'The server answers, but sound and pictures do not get through to it.',
    advice: [
      'Try another network, such as your phone’s.',
      'Switch off a VPN, or switch one on.',
      '“Why does my call not connect?” finds out what is blocked, and what to tell your network’s administrator.',
    ],
  },
  full: {
    title: 'The meeting is full',
    body: 'No more people fit into it.',
    advice: ['Try again when somebody has left.'],
  },
  busy: {
    title: 'One moment, please',
    body: 'The server was asked too often from your network.',
    advice: ['Wait a minute, then try again.'],
  },
  draining: {
    title: 'The server is about to stop',
    body: 'Its operator is maintaining it, and it takes nobody new.',
    advice: ['Try again in a few minutes.'],
  },
  outdated: {
    title: 'This page is too old',
    body: 'The server wants a newer version.',
    advice: ['Reload the page.', 'If that does not help, tell the operator of the page.'],
  },
  browser: {
    title: 'This browser cannot encrypt calls',
    body: 'Conclave sends nothing that is not encrypted on your device, and your browser does not offer what is needed for it.',
    advice: ['Use a recent Chrome, Edge, Firefox or Safari.', 'If yours is recent, update it.'],
  },
  access: {
    title: 'This server is not open to everybody',
    body: 'It admits only people with an access of its operator.',
    advice: ['Ask whoever sent you the link.'],
  },
  lost: {
    title: 'The connection was lost',
    body: 'It could not be made again.',
    advice: ['Check that you are online, then join again.'],
  },
  'server-ended': {
    title: 'The server ended the call',
    body: 'Its operator may be maintaining it.',
    advice: ['Join again in a moment.'],
  },
  'key-used-up': {
    title: 'Time for a new key',
    body: 'You have been sending for so long that your part of the meeting’s key is used up.',
    advice: ['Join again. You get a fresh one.'],
  },
  'link-damaged': {
    title: 'This link is not complete',
    body: 'The part after the # sign is the key of the meeting, and some of it is missing.',
    advice: ['Copy the whole link again, up to its last character.', 'Ask for it to be sent again.'],
  },
  'link-version': {
    title: 'This link is newer than this page',
    body: 'It was made by a newer version of Conclave.',
    advice: ['Reload the page.', 'If that does not help, tell the operator of the page.'],
  },
  unforeseen: {
    title: 'Something went wrong',
    body: 'Conclave did not expect this.',
    advice: ['Try again.', 'If it happens again, tell the operator of the page.'],
  },
};

const qualities: Readonly<Record<ConnectionQuality, string>> = {
  good: 'Good connection',
  fair: 'Fair connection',
  poor: 'Poor connection',
};

const commands: Readonly<Record<Command, string>> = {
  microphone: 'Microphone on or off',
  camera: 'Camera on or off',
  share: 'Share your screen, or stop',
  hand: 'Raise or lower your hand',
  view: 'Grid or speaker',
  people: 'People',
  devices: 'Devices',
  invite: 'Invite',
  safety: 'Safety code',
  'next-page': 'Next people',
  'previous-page': 'Previous people',
  unpin: 'Nobody large any more',
  help: 'This list',
};

function happened(happening: Happening): string {
  switch (happening.type) {
    case 'joined':
      return `${happening.name} joined`;
    case 'left':
      return `${happening.name} left`;
    case 'hand-raised':
      return `${happening.name} raised a hand`;
    case 'sharing':
      return `${happening.name} shares a screen`;
    case 'not-decrypted':
      return `What ${happening.name} sends cannot be decrypted. It is neither shown nor played.`;
    case 'joined-many':
      return `${happening.count} people joined`;
    case 'left-many':
      return `${happening.count} people left`;
    case 'reconnecting':
      return 'The connection was lost. Connecting again …';
    case 'reconnected':
      return 'Connected again';
  }
}

/** Every word on the page, in one place for translation. */
export const texts = {
  product: 'Conclave',
  guest: 'Guest',
  you: 'You',
  close: 'Close',
  back: 'Back',
  titleOf: (screen: string): string => titles[screen] ?? 'Conclave',
  happened,
  media: { microphoneFaults, cameraFaults, bothFaults },
  linkFaults,
  problems,
  qualities,
  commands,
  theme: { label: 'Colours', system: 'Like the system', light: 'Light', dark: 'Dark' },
  start: {
    headline: 'Talk in private.',
    lead: 'Video calls that are encrypted on your device and opened only on theirs. No account, nothing to install.',
    create: 'New meeting',
    protect: 'Protect with a passphrase',
    passphrase: 'Passphrase',
    passphraseHint: 'Tell it to the others in another way than the link: by phone, say.',
    or: 'or join one',
    linkLabel: 'Meeting link',
    linkPlaceholder: 'Paste a link',
    join: 'Join',
    points: [
      ['The link is the key', 'Whoever has it can join. Nobody else can, not even the server.'],
      ['Nothing is kept', 'No accounts, no cookies, no recordings, no list of calls.'],
      ['No third party', 'This page talks to one server: the one that passes your packets on.'],
    ] as readonly (readonly [string, string])[],
    diagnose: 'Why does my call not connect?',
    pictureLabel: 'Three people in a call, joined by a key',
  },
  lobby: {
    heading: 'Ready to join?',
    headingNew: 'Your meeting is ready',
    name: 'Your name',
    namePlaceholder: 'As the others will see it',
    remember: 'Remember my name and devices on this device',
    passphrase: 'Passphrase of this meeting',
    passphraseHint: 'Whoever invited you knows it.',
    passphraseMissing: 'This meeting needs a passphrase.',
    join: 'Join now',
    joining: 'Joining …',
    cancel: 'Cancel',
    preview: 'Your camera',
    cameraOff: 'Your camera is off',
    asking: 'Your browser asks whether this page may use your camera and microphone.',
    askingHint: 'Choose “Allow”. You can switch both off at any time.',
    tryAgain: 'Try again',
    silentNote: 'You can join without: you will hear and see the others.',
  },
  returning: { heading: 'Back to your call …' },
  devices: {
    heading: 'Devices',
    microphone: 'Microphone',
    camera: 'Camera',
    speaker: 'Loudspeaker',
    system: 'System default',
    unnamed: (number: number): string => `Device ${number}`,
    none: 'None found',
    testSound: 'Play a sound',
    noSpeakerChoice: 'This browser plays through the loudspeaker that your system chose.',
  },
  call: {
    heading: 'Call',
    encrypted: 'End-to-end encrypted',
    encryptedShort: 'Encrypted',
    sealingWaits: 'Waiting for the key',
    reconnecting: 'Connecting again …',
    ownQuality: (quality: ConnectionQuality): string => `${qualities[quality]} on your side`,
    microphoneOn: 'Microphone on',
    microphoneOff: 'Microphone off',
    muteLabel: 'Mute',
    unmuteLabel: 'Unmute',
    cameraLabel: 'Camera',
    cameraOn: 'Camera on',
    cameraOff: 'Camera off',
    share: 'Share',
    shareStart: 'Share your screen',
    shareStop: 'Stop sharing',
    hand: 'Hand',
    handRaise: 'Raise hand',
    handLower: 'Lower hand',
    viewGrid: 'Grid',
    viewSpeaker: 'Speaker',
    toGrid: 'Show all alike',
    toSpeaker: 'Show the speaker large',
    people: 'People',
    invite: 'Invite',
    devices: 'Devices',
    more: 'More',
    leave: 'Leave',
    help: 'Keyboard and help',
    talkingMuted: 'You are muted. Press M to be heard.',
    notSent: 'Your change did not get through. Try again.',
    shareFailed: 'The screen cannot be shared here.',
    sharingSelf: 'You share your screen',
    soundBlocked: 'Your browser holds back the sound.',
    soundOn: 'Turn on sound',
    tiles: 'People in the call',
    nextPage: 'Next people',
    previousPage: 'Previous people',
    pageOf: (page: number, pages: number): string => `Page ${page} of ${pages}`,
    aloneHeading: 'You are the first one here',
    aloneBody: 'Send this link to those you want to talk to.',
    alonePassphrase:
      'If you expected somebody, check the passphrase: with another one you are in another, empty meeting.',
  },
  tile: {
    self: (name: string): string => `${name} (you)`,
    pin: (name: string): string => `Show ${name} large`,
    unpin: (name: string): string => `Show ${name} no longer large`,
    muted: 'Microphone off',
    unmuted: 'Microphone on',
    speaking: 'Speaking',
    hand: 'Hand raised',
    cameraOff: 'Camera off',
    cameraOn: 'Camera on',
    screen: 'Shares a screen',
    screenOf: (name: string): string => `${name}’s screen`,
    encryption: {
      waiting: 'Nothing received yet',
      encrypted: 'Encrypted with this meeting’s key',
      failing: 'Cannot be decrypted',
    },
    failingShort: 'Cannot be decrypted',
  },
  people: {
    heading: 'People',
    count: (count: number): string => (count === 1 ? 'Only you' : `${count} people`),
  },
  invite: {
    heading: 'Invite people',
    body: 'Send this link to those you want to talk to.',
    label: 'Meeting link',
    copy: 'Copy link',
    copied: 'Link copied',
    share: 'Send link …',
    copyFailed: 'Copying is not allowed here. The link is marked: copy it with the keyboard.',
    isKey:
      'The link is the key: whoever has it can join and hear everything. Send it only to those you mean.',
    withPassphrase: 'They also need the passphrase. Tell it to them in another way.',
    renew: 'New link',
    renewBody:
      'A new link opens a new, empty meeting. The old link still opens the old meeting: it cannot be taken back. To get rid of somebody, make a new link and send it to everybody else.',
    renewConfirm: 'Leave and make a new link',
    renewCreate: 'Make a new link',
    renewed: 'New link made. The old one still opens the old meeting.',
    cancel: 'Keep this one',
  },
  safety: {
    heading: 'Safety code',
    body: 'Read this code to the others, aloud. If everybody sees the same one, you all have the same key, and nobody without it is listening.',
    howHeading: 'What this means',
    how: [
      'Sound and pictures are encrypted on your device with a key that is made from the link.',
      'The server passes them on. It never sees the link’s part after #, and cannot decrypt anything.',
      'Names and raised hands are encrypted too. The server sees who sends how much and when, not what.',
      'A different code means a different link or passphrase, and so a different meeting.',
    ] as readonly string[],
    copy: 'Copy code',
    copied: 'Code copied',
  },
  help: {
    heading: 'Keyboard',
    switchLabel: 'Use single keys as commands',
    keys: { ArrowRight: '→', ArrowLeft: '←', Escape: 'Esc' } as Readonly<Record<string, string>>,
    diagnose: 'Why does my call not connect?',
  },
  left: {
    heading: 'You left the meeting',
    body: 'The link still opens it.',
    rejoin: 'Join again',
    home: 'Back to the start',
  },
  problem: {
    retry: 'Try again',
    home: 'Back to the start',
    diagnose: 'Why does my call not connect?',
  },
  diagnosis: {
    heading: 'Why does my call not connect?',
    lead: 'This page tries, step by step, everything that a call needs. Your browser will ask for microphone and camera; nothing is recorded, and only the connection to the server is tested.',
    start: 'Start the test',
    again: 'Test again',
    stop: 'Stop',
    running: 'Testing …',
    summaryHeading: 'For the administrator of your network',
    summaryBody:
      'Copy this text and send it to whoever runs your network. It names the server, but no person and no meeting.',
    copy: 'Copy text',
    copied: 'Text copied',
    steps: {
      encryption: 'Encryption in this browser',
      microphone: 'Microphone',
      camera: 'Camera',
      server: 'Server answers',
      conference: 'Server lets you in',
      udp: 'Media over UDP',
      tcp: 'Media over TCP',
      'turn-udp': 'TURN server over UDP',
      'turn-tcp': 'TURN server over TCP',
      'turn-tls': 'TURN server over TLS',
      channel: 'Messages with the server',
      quality: 'Quality of the connection',
    } as Readonly<Record<string, string>>,
    states: {
      waiting: 'Not tested yet',
      running: 'Being tested',
      passed: 'Works',
      failed: 'Does not work',
      skipped: 'Left out',
    } as Readonly<Record<string, string>>,
  },
};
