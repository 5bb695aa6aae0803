import type { Branded } from '@conclave/bytes';
import type { LinkMessage, LinkStream } from '@conclave/econn';

/** One transport of one participant. An update gives the participant a second one until that is up. */
export type LegId = Branded<number, 'LegId'>;

/** A connection to another server that holds a part of the same conference. Chosen by the owner of the conference. */
export type LinkId = Branded<number, 'LinkId'>;

/** A stream that this server sends over a link. Never used before on that link for this conference. */
export type ExportId = Branded<number, 'ExportId'>;

/** One incoming video stream of a leg: a simulcast layer, or the only stream of a sender without simulcast. */
export type VideoLayer = 'low' | 'high' | 'single';

/** One layer of one sender. */
export interface VideoSource {
  readonly leg: LegId;
  readonly layer: VideoLayer;
}

/** What the conference wants done, in this order. Polled by `Conference.pollEffect`. */
export type ConferenceEffect =
  /** Send the text on the leg's data channel. */
  | { readonly type: 'send'; readonly leg: LegId; readonly text: string }
  /** Send the same text on the data channels of all these legs. */
  | { readonly type: 'broadcast'; readonly legs: readonly LegId[]; readonly text: string }
  /**
   * The contributing sources by which receivers know this sender: its real audio SSRC, and the invented number that
   * stands for its video. Comes once per leg, before anything is forwarded from it.
   */
  | { readonly type: 'assign-csrc'; readonly leg: LegId; readonly audio: number; readonly video: number }
  /** The leg becomes a receiver of the shared audio slots. It may hear nobody until permissions say so. */
  | { readonly type: 'join-audio'; readonly leg: LegId }
  /** The leg ceases to be a receiver of the shared audio slots. */
  | { readonly type: 'leave-audio'; readonly leg: LegId }
  /** Who is heard in the shared slot, for all receivers alike. A leg is in at most one slot. */
  | { readonly type: 'set-audio-slot'; readonly slot: number; readonly source: LegId | undefined }
  /** The only senders this receiver may hear; replaces the earlier list. Never contains the receiver itself. */
  | {
      readonly type: 'set-audio-permissions';
      readonly receiver: LegId;
      readonly senders: readonly LegId[];
    }
  /**
   * What this receiver's video slot shows. At a key frame: what flows in the slot goes on until then, at most for
   * `deadlineMs`. `deadlineMs` is 0 with `now`.
   */
  | {
      readonly type: 'set-video-source';
      readonly receiver: LegId;
      readonly slot: number;
      readonly source: VideoSource | undefined;
      readonly at: 'now' | 'key-frame';
      readonly deadlineMs: number;
    }
  /** Ask the sender for a key frame of the layer. Already throttled. */
  | { readonly type: 'request-key-frame'; readonly leg: LegId; readonly layer: VideoLayer }
  /** Tell the other server. */
  | { readonly type: 'send-link'; readonly link: LinkId; readonly message: LinkMessage }
  /**
   * A participant at another server: its streams arrive over the link under these SSRCs. From now on `leg` stands for it
   * in every effect and input, until it is closed as other legs are.
   */
  | {
      readonly type: 'import-leg';
      readonly leg: LegId;
      readonly link: LinkId;
      readonly streams: readonly LinkStream[];
      readonly audioCsrc: number;
      readonly videoCsrc: number;
    }
  /** Make room for a stream on the link, silent as yet. Comes once, before anything else names the export. */
  | {
      readonly type: 'add-export';
      readonly link: LinkId;
      readonly export: ExportId;
      readonly stream: LinkStream;
    }
  /** What is sent over the link in the place of the export from now on; undefined: nothing. */
  | {
      readonly type: 'set-export';
      readonly link: LinkId;
      readonly export: ExportId;
      readonly source: { readonly leg: LegId; readonly layer: VideoLayer | 'audio' } | undefined;
    }
  /** The export is over. */
  | { readonly type: 'remove-export'; readonly link: LinkId; readonly export: ExportId }
  /** Nothing more goes over the link about this conference. Comes at most once for every link. */
  | { readonly type: 'close-link'; readonly link: LinkId }
  /**
   * Close the leg's transport, after what was sent to it before had time to leave. Comes exactly once for every leg
   * that was added, also when the transport is gone already; no later effect names the leg.
   */
  | { readonly type: 'close-leg'; readonly leg: LegId; readonly reason: CloseReason }
  /** The last leg is gone, and with it all state. Comes once; the conference takes no more legs. */
  | { readonly type: 'ended' };

/** Why a leg is closed, fit for a metric label. */
export type CloseReason =
  /** The offer was not answered in time. */
  | 'setup-timeout'
  /** It was answered, but the data channel did not open in time. */
  | 'connect-timeout'
  /** No PING came, and the HANGUP that was sent then was not answered. */
  | 'ping-timeout'
  /** The client hung up, or confirmed our HANGUP. */
  | 'hangup'
  /** A newer leg of the same caller took its place. */
  | 'replaced'
  /** Its audio SSRC is one of another participant, who would be taken for it. */
  | 'ssrc-conflict'
  /** More messages came than the limit allows. */
  | 'message-rate'
  /** The server hangs everyone up. */
  | 'closed'
  /** The conference had ended, or was ending, before the leg was added. */
  | 'ended'
  /** The transport was lost. */
  | 'transport-lost'
  /** It stood for a participant at another server, who left or cannot be reached. */
  | 'remote';
