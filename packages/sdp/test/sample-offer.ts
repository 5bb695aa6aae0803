import type { OfferOptions, Slot } from '../src/index.ts';

const FINGERPRINT = Array.from({ length: 32 }, (_, i) => (i * 8).toString(16).padStart(2, '0').toUpperCase());

/** Six candidates of full length: both families, UDP and TCP, one behind a NAT and one relayed. */
export const SIX_CANDIDATES: readonly string[] = [
  '1 1 UDP 2122194687 198.51.100.200 40000 typ host',
  '2 1 UDP 2122194687 2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff 40000 typ host',
  '3 1 TCP 1518280447 198.51.100.200 40000 typ host tcptype passive',
  '4 1 TCP 1518280447 2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff 40000 typ host tcptype passive',
  '5 1 UDP 1686052607 203.0.113.200 40000 typ srflx raddr 198.51.100.200 rport 40000',
  '6 1 UDP 41885439 203.0.113.201 54321 typ relay raddr 198.51.100.200 rport 40000',
];

/** Slots with consecutive mids from `firstMid` on and ten-digit SSRCs. */
export function slotsFrom(firstMid: number, count: number, kind: 'audio' | 'video'): Slot[] {
  return Array.from({ length: count }, (_, i) => {
    const mid = firstMid + i;
    const slot = { mid: String(mid), ssrc: 4_000_000_000 + 2 * mid, id: `${kind.charAt(0)}x${mid}` };
    return kind === 'audio' ? slot : { ...slot, rtxSsrc: slot.ssrc + 1 };
  });
}

/** Options of a full offer: five audio slots, nine video slots, six candidates. */
export function sampleOptions(changes: Partial<OfferOptions> = {}): OfferOptions {
  return {
    sessionId: '4611686018427387904',
    originAddress: '198.51.100.200',
    tool: 'sftd 5.0.1',
    ufrag: 'abcdEFGH',
    pwd: 'abcdefghijklmnopqrstuvwx',
    fingerprint: FINGERPRINT.join(':'),
    candidates: SIX_CANDIDATES,
    mainVideoSsrc: 3_999_999_999,
    simulcast: true,
    audioSlots: slotsFrom(1, 5, 'audio'),
    videoSlots: slotsFrom(6, 9, 'video'),
    maxMessageSize: 262_144,
    ...changes,
  };
}
