import type { Branded, NowMs } from '@conclave/bytes';

/** One remote endpoint: its SRTP keys, validated addresses and streams. Chosen by the control plane. */
export type PeerId = Branded<number, 'PeerId'>;
/** One incoming stream (one simulcast layer, or the audio) of a peer. Chosen by the control plane. */
export type IngressId = Branded<number, 'IngressId'>;
/** One outgoing slot of a peer: an SSRC the peer was told of. Chosen by the control plane. */
export type EgressId = Branded<number, 'EgressId'>;
/** A conference's shared audio slots. Chosen by the control plane. */
export type GroupId = Branded<number, 'GroupId'>;
/**
 * A bound UDP socket, a TCP listener, or one accepted TCP connection. Chosen by the forwarding plane, never
 * used twice in a process.
 */
export type SocketId = Branded<number, 'SocketId'>;

/** One end-to-end way a datagram takes: our socket and the remote address (canonical text) and port. */
export interface Path {
  readonly socket: SocketId;
  readonly address: string;
  readonly port: number;
}

/** A socket to open. Port 0 takes any free one. */
export interface SocketRequest {
  readonly address: string;
  readonly port: number;
  readonly transport: 'udp' | 'tcp';
}

/** A socket as it was bound. `tcp` is a listener: its connections get ids of their own. */
export interface BoundSocket extends SocketRequest {
  readonly socket: SocketId;
  readonly thread: number;
}

/** The protection profiles of RFC 5764 and RFC 7714, by their IANA number. */
export const SrtpProfile = {
  aes128CmSha1_80: 0x0001,
  aeadAes128Gcm: 0x0007,
  aeadAes256Gcm: 0x0008,
} as const;
export type SrtpProfile = (typeof SrtpProfile)[keyof typeof SrtpProfile];

/** Master keys and salts of one DTLS-SRTP session (RFC 5764 §4.2), seen from our side. */
export interface SrtpKeys {
  readonly profile: SrtpProfile;
  readonly receiveKey: Uint8Array;
  readonly receiveSalt: Uint8Array;
  readonly sendKey: Uint8Array;
  readonly sendSalt: Uint8Array;
}

/**
 * Negotiated ids (1-14) of the RTP header extensions the plane reads or writes, by meaning. Absent: not
 * negotiated. An extension is forwarded when both ingress and egress carry its meaning, under the egress's id.
 */
export interface ExtensionIds {
  readonly audioLevel?: number;
  /** Stamped anew with the time of sending at every egress. */
  readonly absSendTime?: number;
  /** Read for feedback, never forwarded. */
  readonly transportSequence?: number;
  /** Read to bind layers, never forwarded. */
  readonly rid?: number;
  /** Read to bind RTX streams, never forwarded. */
  readonly repairedRid?: number;
  /** Read for events about unknown SSRCs, never forwarded. */
  readonly mid?: number;
  readonly genericFrameDescriptor?: number;
  readonly dependencyDescriptor?: number;
}

/** What the plane must know about a peer. */
export interface PeerOptions {
  /** Forwarding thread that owns the peer. All peers that exchange media share one thread. */
  readonly thread: number;
  /** SSRC of our own in feedback packets to this peer. */
  readonly feedbackSsrc: number;
  /** CNAME in our sender reports; at most 32 ASCII characters. */
  readonly cname: string;
  /** Ids on packets from this peer. */
  readonly extensions: ExtensionIds;
  /** Whether to send transport-wide feedback (needs `extensions.transportSequence`). */
  readonly transportFeedback: boolean;
  /**
   * SSRCs the peer may use at once, RTX included; at most 65536. For links to other servers, which carry many people's
   * streams. Default: {@link ForwarderOptions.maxSsrcsPerPeer}.
   */
  readonly maxSsrcs?: number;
}

/** What identifies and describes one incoming stream. */
export interface IngressOptions {
  readonly peer: PeerId;
  readonly kind: 'audio' | 'video';
  /** Known SSRC; otherwise it is bound by `rid`, or later by {@link FlowTable.bindSsrc}. */
  readonly ssrc?: number;
  /** Stream id of a simulcast layer; the first packet that carries it binds its SSRC, which is remembered. */
  readonly rid?: string;
  /** Known SSRC of the repair stream; otherwise bound by the repaired-rid extension. */
  readonly rtxSsrc?: number;
  readonly payloadType: number;
  readonly rtxPayloadType?: number;
  /** Ticks per second of the RTP timestamp: 48000 for Opus, 90000 for video. */
  readonly clockRate: number;
  /** Contributing source written into every forwarded packet: the id by which receivers know the sender. */
  readonly csrc: number;
  /** Whether losses are asked for again by generic NACK (RFC 4585 §6.2.1). */
  readonly nack: boolean;
}

/** What describes one outgoing slot. */
export interface EgressOptions {
  readonly peer: PeerId;
  readonly kind: 'audio' | 'video';
  readonly ssrc: number;
  readonly payloadType: number;
  /** With both, NACKs are answered over RTX (RFC 4588); without, they are ignored. */
  readonly rtxSsrc?: number;
  readonly rtxPayloadType?: number;
  readonly clockRate: number;
  readonly extensions: ExtensionIds;
  /** Random starting points, so that the plane itself needs no randomness. */
  readonly initialSequence: number;
  readonly initialTimestamp: number;
  readonly initialRtxSequence: number;
}

/** When a new source takes over a slot. */
export type SwitchMode =
  /** With its next packet, whatever it holds. The old source stops at once. */
  | { readonly at: 'now' }
  /**
   * With the first packet of its next key frame; the old source flows until then. It is told by frame descriptor, or by
   * the VP8 payload descriptor and the first bit behind it if the sender negotiated no frame descriptor. After
   * `deadlineMs` without one the wish is dropped and a `switch-deadline` event says so. The wish itself raises
   * `key-frame-needed`.
   */
  | { readonly at: 'key-frame'; readonly deadlineMs: number };

/** What the plane tells the control plane, in the order it happened; delivered in batches. */
export type ForwarderEvent =
  /** A STUN message, from any address. Not authenticated: that is the ICE agent's task. */
  | { readonly type: 'stun'; readonly path: Path; readonly bytes: Uint8Array }
  /** A DTLS datagram from a validated path of the peer. From anywhere else it is dropped and counted. */
  | { readonly type: 'dtls'; readonly peer: PeerId; readonly path: Path; readonly bytes: Uint8Array }
  /** An accepted TCP connection ended. */
  | { readonly type: 'path-closed'; readonly socket: SocketId }
  /**
   * An SSRC no rule knows sent authentic packets. They are held for at most 50 ms for {@link FlowTable.bindSsrc}: of one
   * peer 32 packets and 48000 bytes. Told again after a second at the earliest; never of a repair stream. `rid` and
   * `mid` have one character for each byte, and are absent when empty.
   */
  | {
      readonly type: 'unknown-ssrc';
      readonly peer: PeerId;
      readonly ssrc: number;
      readonly payloadType: number;
      readonly rid?: string;
      readonly mid?: string;
    }
  /**
   * An audio stream that is in no group's slot is louder than the onset level (its number is smaller), and its voice bit
   * is set or its packet before was louder too. At most one per 100 ms and stream.
   */
  | { readonly type: 'audio-onset'; readonly ingress: IngressId }
  /**
   * A receiver of this stream asked for a key frame (PLI or FIR), or the plane needs one: for a wish, or because more
   * than 256 packets in a row of a video stream with `nack` are missing. Told at once; further needs of the next 50 ms
   * are taken as answered by the same key frame.
   */
  | { readonly type: 'key-frame-needed'; readonly ingress: IngressId }
  /** The wished source now feeds the slot: its first packet was sent. Not told of group slots. */
  | { readonly type: 'switched'; readonly egress: EgressId; readonly ingress: IngressId }
  /** No key frame came in time; the slot keeps its old source. */
  | { readonly type: 'switch-deadline'; readonly egress: EgressId; readonly ingress: IngressId }
  /**
   * A receiver's report block about a slot (RFC 3550 §6.4.1). `fractionLost` is from 0 to 255/256; `cumulativeLost` is
   * signed: duplicates make it negative. `roundTripMs` when the block echoes a report of ours. A {@link Forwarder} (not
   * the harness) tells at most one per 50 ms and slot.
   */
  | {
      readonly type: 'receiver-report';
      readonly egress: EgressId;
      readonly fractionLost: number;
      readonly cumulativeLost: number;
      readonly jitterTicks: number;
      readonly roundTripMs?: number;
    };

/** Audio activity of one ingress since the last reading. Levels are positive: 0 is loudest, 127 silence (−dBov). */
export interface AudioLevelSample {
  readonly ingress: IngressId;
  readonly packets: number;
  readonly meanLevel: number;
  /** Loudest packet, hence the smallest number. */
  readonly peakLevel: number;
  readonly voicePackets: number;
}

/** Totals of one ingress since it was added. */
export interface IngressStats {
  readonly ingress: IngressId;
  readonly packets: number;
  readonly bytes: number;
  /** Padding-only packets: not forwarded, their sequence gaps closed. */
  readonly paddingPackets: number;
  readonly keyFrames: number;
  readonly nacksSent: number;
  /** Packets that came by retransmission. */
  readonly recoveredPackets: number;
  readonly lostPackets: number;
}

/** Totals of one egress since it was added. */
export interface EgressStats {
  readonly egress: EgressId;
  readonly packets: number;
  readonly bytes: number;
  readonly retransmittedPackets: number;
  readonly nacksReceived: number;
}

/**
 * The rules of the forwarding plane. Only ever called from the control plane's thread; a call takes effect on the
 * owning forwarding thread, in the order of calls, soon after the present turn of the event loop; what a
 * {@link Forwarder} reads is as of all calls before. Ids that are unknown when a call takes effect (the peer may
 * have left meanwhile) make it a no-op. Wrong arguments throw `TypeError` at once.
 *
 * Peer, ingress, egress and group ids are integers from 0 to 2^32 − 1. Time is counted in whole microseconds, rounded
 * to the nearest.
 *
 * How a packet is forwarded, for every implementation:
 * - Accepted: at most 2048 bytes, on a validated path of its peer, authentic, not replayed (window 1024; RTCP 128), well
 *   formed, of its ingress's payload type.
 *   Everything else is dropped and counted. Not well formed: version other than 2; CSRC list, extension block or padding
 *   that exceeds the packet; padding count 0.
 * - Extension elements are read in one-byte (0xBEDE) and two-byte (0x100?) form; of two with the same id the first
 *   counts; an element that exceeds the block, and in one-byte form id 15 and id 0 with a length, end the reading and
 *   what was read before counts.
 * - Each receiver's header is made from the original packet: payload type and SSRC of the egress, CC = 1 with the
 *   ingress's CSRC, marker kept, extensions by meaning in one-byte form (RFC 8285 §4.2), padding bytes removed,
 *   payload untouched. Extensions are those the packet carries and the egress knows, 1 to 16 bytes long, in the order
 *   audio level, abs-send-time, generic frame descriptor, dependency descriptor, filled up with zeros to whole words;
 *   without any there is no extension block. abs-send-time is 3 bytes: floor(µs of sending × 2^18 / 10^6) mod 2^24.
 * - Where messages are segmented (see {@link PacketSending}), packets of one frame that were read together and of which a
 *   later one is at most 16 bytes longer get as many bytes of padding, so that they leave as one message. Nothing else of
 *   a packet depends on what was read together with it. A {@link FlowTableHarness} takes one datagram at a time.
 * - A packet without payload, padding aside, is padding-only and never forwarded.
 * - Unwrapping: a number within 32767 ahead of the stream's newest is newer, otherwise older. A packet 1024 or more
 *   positions behind the newest, and a second one at the same position, is dropped.
 * - A slot whose peer has no keys or no address to send to is passed over: nothing of its state changes.
 * - Sequence: with `ext` the unwrapped incoming number, `index(ext) = ext − (padding-only packets at positions
 *   below ext)`; outgoing = `index(ext) + offset`, the offset such that the first packet after a switch follows the
 *   last one sent (at first `initialSequence`). A padding-only packet counts as dropped only if it is newer than
 *   all before it; a late one leaves its gap. Packets of the new source older than its first are dropped.
 *   "Last sent" is the packet with the highest outgoing number so far, here and below.
 * - Timestamp: `incoming + offset`; the first packet after a switch gets last sent + elapsed × clock rate, at least
 *   one tick more (at first `initialTimestamp`). Elapsed is the difference of capture times by both sources'
 *   sender reports if both are known and within 500 ms of the difference of arrivals; else the latter. Ticks are
 *   floor(elapsed µs × the egress's clock rate / 10^6). A packet's capture time is fixed when it is forwarded:
 *   report's NTP time in µs (fraction rounded down) + the peer's clock offset
 *   + floor(signed 32-bit (timestamp − report's timestamp) × 10^6 / the ingress's clock rate). A peer's clock offset is
 *   the least (arrival − NTP time) of all sender reports of its streams; a report that exceeds it by more than a
 *   second sets it anew (a clock was stepped).
 * - Retransmission: a NACK is answered over RTX with what the slot sent under that number, made anew from the original
 *   under its old timestamp; not twice within a round trip, and at most 300 times a second and 150 at once for a slot.
 *   A packet is kept for a second, and no longer than until one 512 (audio: 64) positions or a multiple of it newer
 *   comes.
 * - One slot keeps one SSRC through all switches. Every change of source is a switch, also back to an earlier source.
 */
export interface FlowTable {
  addPeer(peer: PeerId, options: PeerOptions): void;
  /** Forgets the peer with all its paths, streams, slots and group places. TCP paths are closed. */
  removePeer(peer: PeerId): void;
  /** Replaces the addresses from which the peer's packets are accepted, and the one to which its media goes. */
  setPaths(peer: PeerId, accepted: readonly Path[], sendTo: Path | undefined): void;
  /** Sets the keys; until then no media of the peer is accepted or sent. */
  setSrtpKeys(peer: PeerId, keys: SrtpKeys): void;
  /** Smoothed round trip, which spaces retransmission requests and repeated answers. 100 ms until told. */
  setRoundTrip(peer: PeerId, roundTripMs: number): void;

  addIngress(ingress: IngressId, options: IngressOptions): void;
  /**
   * Binds an SSRC reported by `unknown-ssrc`; held packets are then forwarded, as if they arrived now. An ingress that
   * had another SSRC starts anew: its next packet is a switch for each slot it feeds, without an event. No-op if the
   * SSRC belongs to another stream of the peer.
   */
  bindSsrc(ingress: IngressId, ssrc: number): void;
  removeIngress(ingress: IngressId): void;
  /** Sends a PLI (RFC 4585 §6.3.1) and a FIR (RFC 5104 §4.3.1) for the stream; nothing while its SSRC is unknown. */
  requestKeyFrame(ingress: IngressId): void;

  addEgress(egress: EgressId, options: EgressOptions): void;
  removeEgress(egress: EgressId): void;
  /**
   * Feeds a slot from a stream, or from nothing (at once). A newer wish replaces a pending one. A wish for the stream
   * that feeds the slot already only drops the pending one. No-op for an egress that is a group's slot.
   */
  setSource(egress: EgressId, ingress: IngressId | undefined, mode: SwitchMode): void;

  /** Creates `slots` shared audio slots on a thread. */
  addGroup(group: GroupId, thread: number, slots: number): void;
  removeGroup(group: GroupId): void;
  /** Makes the peer a receiver: its egress for each slot, in slot order. Replaces an earlier place of the peer. */
  setGroupReceiver(group: GroupId, peer: PeerId, egresses: readonly EgressId[]): void;
  removeGroupReceiver(group: GroupId, peer: PeerId): void;
  /** One rule for all receivers: who is in the slot from its next packet on. The old source stops at once. */
  setGroupSource(group: GroupId, slot: number, ingress: IngressId | undefined): void;
  /**
   * The only streams this receiver may hear in the group; replaces the earlier list. Empty until told; may be told
   * before {@link FlowTable.setGroupReceiver}, which keeps it. A source that is no longer allowed and later is again
   * comes back by a switch.
   */
  setGroupPermissions(group: GroupId, receiver: PeerId, allowed: readonly IngressId[]): void;

  /** Sends one datagram (STUN, DTLS) on any path; framed by RFC 4571 on TCP. Copies the bytes. */
  send(path: Path, bytes: Uint8Array): void;
  /** Closes an accepted TCP connection. */
  closePath(socket: SocketId): void;
}

/**
 * How datagrams are handed to the kernel; the same datagrams leave either way. `segmented`: packets of equal size that go
 * to one receiver at the same time as one message (Linux UDP_SEGMENT), all messages in one system call; such messages are
 * used only where a trial on the loopback interface succeeds, and given up on a socket on which they keep being refused.
 * `batched`: each packet as its own message, all in one system call. `single`: one system call for each packet, as most
 * servers do it; for comparison.
 */
export const packetSendings = ['segmented', 'batched', 'single'] as const;
export type PacketSending = (typeof packetSendings)[number];

/** Sizes and intervals of the plane. */
export interface ForwarderOptions {
  /** Sockets of each forwarding thread; the array's length is the number of threads. */
  readonly threads: readonly (readonly SocketRequest[])[];
  /** Called with everything that happened since the last call; exceptions it throws are not caught. */
  readonly onEvents: (events: readonly ForwarderEvent[]) => void;
  /** Spacing of transport-wide feedback. Lower: senders adapt faster; higher: fewer packets. Default 100. */
  readonly transportFeedbackIntervalMs?: number;
  /** Spacing of sender and receiver reports. Default 1000. */
  readonly reportIntervalMs?: number;
  /** Level (−dBov) an unselected stream must exceed for `audio-onset`. Lower: only loud speech wakes. Default 60. */
  readonly onsetLevel?: number;
  /**
   * STUN messages a second, and at once, of one address (an IPv6 /64) that come by a path not validated yet; more are
   * dropped. Lower: a flood costs the control plane less; higher: more people behind one address can join at the same
   * moment, each with some ten checks. Default 1000.
   */
  readonly stunPerSecond?: number;
  /** SSRCs a peer may use at once, RTX included. More are dropped. Default 32. */
  readonly maxSsrcsPerPeer?: number;
  /** TCP connections at once, and those of one address. Default 4096 and 64. */
  readonly maxTcpConnections?: number;
  readonly maxTcpConnectionsPerAddress?: number;
  /** Bytes queued to one TCP connection before media to it is dropped. Default 262144. */
  readonly tcpQueueBytes?: number;
  /** Size asked for with SO_RCVBUF and SO_SNDBUF. Default 4194304. */
  readonly socketBufferBytes?: number;
  /** How datagrams are handed to the kernel. Default `segmented`. */
  readonly sending?: PacketSending;
}

/** The forwarding plane itself. */
export interface Forwarder extends FlowTable {
  /** The sockets as bound. */
  readonly sockets: readonly BoundSocket[];
  /** Audio activity of all streams since the last call. */
  readAudioLevels(): AudioLevelSample[];
  readIngressStats(): IngressStats[];
  readEgressStats(): EgressStats[];
  /**
   * Totals by name: `received_packets`, `received_bytes`, `sent_packets`, `sent_bytes`. Of those sent over UDP:
   * `sent_batches` (system calls that sent some), `sent_segmented_messages` (runs handed over as one message, see
   * {@link PacketSending}), `sent_segmented_packets` (the packets in those) and
   * `refused_segmented` (runs the kernel refused, whose packets were sent one by one). And one `dropped_<reason>` for
   * each reason a packet was not forwarded: `not_demultiplexed` (no class of RFC 7983), `oversize`, `stun_rate`, `no_path`,
   * `no_keys`, `malformed`, `bad_tag`, `replayed`, `too_old`, `too_many_ssrcs`, `crypto`, `unknown_ssrc`,
   * `payload_type`, `duplicate`, `no_receiver`, `not_permitted` and `not_ready` (per receiver), `before_switch`,
   * `queue_full`, `receive_queue` (by the kernel, the thread being too slow), `socket_error`, `no_socket`, `tcp_limit`
   * (connections refused). All are there from the beginning.
   */
  readCounters(): Record<string, number>;
  /**
   * A path to a peer through a TURN server: what is sent on it leaves as ChannelData of this number (0x4000 to 0x4FFF) on
   * `via`, a UDP path to the server, and ChannelData of the number that comes there counts as coming on it. All else that
   * comes from the server comes on `via`, STUN and hence Data indications too. The channel must have been bound there by
   * whoever keeps the allocation. At most 2044 bytes go in one datagram. Ends by {@link FlowTable.closePath}, or with the
   * peer that accepts it, without an event; a later one of the same number and way replaces it.
   */
  addRelayedPath(via: Path, channel: number, peer: { readonly address: string; readonly port: number }): Path;
  /** Stops the threads and closes all sockets. Idempotent. No event is delivered afterwards. */
  close(): void;
}

/** Output of a {@link FlowTableHarness} step. */
export interface HarnessOutput {
  readonly sent: readonly { readonly path: Path; readonly bytes: Uint8Array }[];
  readonly events: readonly ForwarderEvent[];
}

/**
 * The flow table without sockets, threads or clock, for comparing implementations byte by byte. Every rule call takes
 * effect at once, at the time of the latest step (0 before the first); what it makes happen comes out of the next step.
 * A step first runs the timers that are due, then takes the datagram. Packets to one egress leave in the order of their
 * causes; the receivers of one packet are served in the order in which their rules were made.
 */
export interface FlowTableHarness extends FlowTable {
  /** One datagram that arrived. */
  receive(now: NowMs, path: Path, bytes: Uint8Array): HarnessOutput;
  /** Time has passed: timers that are due run. */
  tick(now: NowMs): HarnessOutput;
  readAudioLevels(): AudioLevelSample[];
  readIngressStats(): IngressStats[];
  readEgressStats(): EgressStats[];
  readCounters(): Record<string, number>;
}
