import { createHmac, randomBytes } from 'node:crypto';
import { FormatError, type NowMs } from '@conclave/bytes';
import type { Sister } from '@conclave/conference';
import type { ConversationHash, LinkMessage } from '@conclave/econn';
import type {
  BoundSocket,
  CreateDtlsSession,
  DtlsIdentity,
  Forwarder,
  Path,
  PeerId,
  SrtpProfile,
} from '@conclave/forwarder';
import { LinkPathValidator, type LinkTransportOptions } from '@conclave/transport';
import { PeerPolicy } from '@conclave/turn';
import type { ConferenceSession } from './conference-session.ts';
import { FederationLink } from './federation-link.ts';
import { type FederationPartners, formatLinkTuple, hostOfUrl, parseLinkTuple } from './federation-partner.ts';

/** What the federation needs of the server around it. */
export interface FederationOptions {
  readonly forwarder: Forwarder;
  readonly now: () => NowMs;
  /** The sockets for links, one for each forwarding thread, with the address that other servers are told. */
  readonly sockets: readonly (BoundSocket & { readonly advertised: string })[];
  /** Our own URL, as clients are told. */
  readonly url: string;
  readonly identity: DtlsIdentity;
  readonly createDtlsSession: CreateDtlsSession;
  readonly srtpProfiles: readonly SrtpProfile[];
  readonly partners: FederationPartners;
  /** Special-purpose addresses where partners may be all the same, as addresses, blocks or ranges. */
  readonly allowedAddresses: readonly string[];
  /** An unused number among the forwarder's peers. */
  readonly drawPeer: () => PeerId;
  readonly sessionOf: (conversation: ConversationHash) => ConferenceSession | undefined;
  /** A link came up or broke, for the log. */
  readonly onLink?: (what: 'up' | 'down', path: Path, reason?: string) => void;
}

/** What a client said of the server that holds its conference. */
export interface Anchor {
  readonly url: string;
  readonly tuple: string | undefined;
}

/** Why a conference cannot be joined to its anchor. */
export type AnchorRefusal = 'bad-url' | 'not-a-partner' | 'bad-tuple' | 'address-denied' | 'no-socket';

/** Links at once, and of them those that others made from one address. Higher: more partners; lower: less to lose to abuse. */
const MAX_LINKS = 512;
const MAX_LINKS_PER_ADDRESS = 32;
/** First and longest wait before a broken link is tried again. */
const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 30_000;
const NONCE_LIFETIME_MS = 60_000;

/** A conference whose anchor is elsewhere. */
interface Joining {
  readonly session: ConferenceSession;
  readonly host: string;
  readonly path: Path;
  /** Set when the conference is taken over from there: that server is about to end. */
  readonly sister: Sister | undefined;
  attempts: number;
  timer: NodeJS.Timeout | undefined;
}

/**
 * The links to other servers: makes those that conferences anchored elsewhere need, again when they break, and takes
 * those of servers that join conferences here.
 */
export class Federation {
  readonly #options: FederationOptions;
  #identity: DtlsIdentity;
  readonly #validator: LinkPathValidator;
  readonly #policy: PeerPolicy;
  readonly #socketIds: ReadonlySet<number>;
  readonly #links = new Map<string, FederationLink>();
  readonly #linkOfPeer = new Map<PeerId, FederationLink>();
  readonly #joining = new Map<ConferenceSession, Joining>();
  #closed = false;

  constructor(options: FederationOptions) {
    this.#options = options;
    this.#identity = options.identity;
    this.#validator = new LinkPathValidator(
      randomBytes(32),
      (key, data) => createHmac('sha256', key).update(data).digest(),
      NONCE_LIFETIME_MS,
    );
    this.#policy = new PeerPolicy({ allow: options.allowedAddresses });
    this.#socketIds = new Set(options.sockets.map((socket) => socket.socket));
  }

  /** Links that carry messages now. */
  get links(): number {
    let count = 0;
    for (const link of this.#links.values()) if (link.open) count++;
    return count;
  }

  /** Whether this is one of the sockets for links. */
  owns(socket: number): boolean {
    return this.#socketIds.has(socket);
  }

  /** Where other servers reach the conferences of this thread. */
  tupleOf(thread: number): string | undefined {
    const socket = this.#options.sockets.find((candidate) => candidate.thread === thread);
    return socket && formatLinkTuple({ address: socket.advertised, port: socket.port });
  }

  /** Whether the anchor that a client named is another server than this one. */
  isElsewhere(anchor: Anchor): boolean {
    if (hostOfUrl(anchor.url) !== hostOfUrl(this.#options.url)) return true;
    // Several servers of one domain may have one host name.
    return anchor.tuple !== undefined && !this.#ownTuples().includes(anchor.tuple);
  }

  /**
   * Connects a conference to its anchor, unless that is under way; says why not, if it cannot be. A predecessor is named by
   * itself rather than by a client, so it may be at any address; it is tried once.
   */
  join(session: ConferenceSession, anchor: Anchor, sister?: Sister): AnchorRefusal | undefined {
    if (this.#closed || this.#joining.has(session)) return undefined;
    const host = hostOfUrl(anchor.url);
    if (host === undefined) return 'bad-url';
    if (!this.#options.partners.permits(host)) return 'not-a-partner';
    const tuple = anchor.tuple === undefined ? undefined : parseLinkTuple(anchor.tuple);
    if (tuple === undefined) return 'bad-tuple';
    if (sister === undefined && !this.#policy.permits(tuple.address)) return 'address-denied';
    const ipv6 = tuple.address.includes(':');
    const socket = this.#options.sockets.find(
      (candidate) => candidate.thread === session.thread && candidate.address.includes(':') === ipv6,
    );
    if (socket === undefined) return 'no-socket';
    const joining: Joining = {
      session,
      host,
      path: { socket: socket.socket, address: tuple.address, port: tuple.port },
      sister,
      attempts: 0,
      timer: undefined,
    };
    this.#joining.set(session, joining);
    this.#connect(joining);
    return undefined;
  }

  /** The conference is over. */
  forget(session: ConferenceSession): void {
    const joining = this.#joining.get(session);
    if (joining !== undefined) clearTimeout(joining.timer);
    this.#joining.delete(session);
    this.#closeUnused();
  }

  /** A conference parted from a server, of its own accord or of that one's. */
  parted(session: ConferenceSession): void {
    const joining = this.#joining.get(session);
    // Who is still here may find the others again: the anchor may have been restarted.
    if (joining?.sister !== undefined) this.#joining.delete(session);
    else if (joining !== undefined) this.#retry(joining);
    this.#closeUnused();
  }

  /** Takes a STUN message that came to one of the sockets for links. */
  handleStun(path: Path, bytes: Uint8Array): void {
    const { now, forwarder } = this.#options;
    const known = this.#links.get(keyOf(path));
    if (known?.role === 'client') {
      known.handleStun(bytes);
      return;
    }
    try {
      const { reply, validated } = this.#validator.handle(now(), path, bytes);
      if (reply !== undefined) forwarder.send(path, reply);
      if (!validated) return;
    } catch (error) {
      if (error instanceof FormatError) return;
      throw error;
    }
    if (known === undefined) this.#serve(path);
    else known.handleKeepalive();
  }

  /** Takes a DTLS datagram of a link's peer; says whether it is one. */
  handleDtls(peer: PeerId, bytes: Uint8Array): boolean {
    const link = this.#linkOfPeer.get(peer);
    link?.handleDtls(bytes);
    return link !== undefined;
  }

  /** Shows new links another certificate; those that are up go on. */
  useIdentity(identity: DtlsIdentity): void {
    this.#identity = identity;
  }

  /** Ends all links. */
  close(): void {
    this.#closed = true;
    for (const { timer } of this.#joining.values()) clearTimeout(timer);
    this.#joining.clear();
    for (const link of [...this.#links.values()]) {
      this.#remove(link);
      link.close();
    }
  }

  #ownTuples(): string[] {
    return this.#options.sockets.map(({ advertised, port }) =>
      formatLinkTuple({ address: advertised, port }),
    );
  }

  #connect(joining: Joining): void {
    const { session, path, host } = joining;
    joining.timer = undefined;
    const known = this.#links.get(keyOf(path));
    if (known !== undefined) {
      if (known.open) session.openLink(known, 'joiner', joining.sister);
      return;
    }
    if (this.#links.size >= MAX_LINKS) {
      this.#retry(joining);
      return;
    }
    this.#make(path, session.thread, 'client', ({ peerCertificateDer }) =>
      this.#options.partners.objectionToHost(peerCertificateDer, host),
    );
  }

  #serve(path: Path): void {
    const ofAddress = [...this.#links.values()].filter((link) => link.path.address === path.address);
    if (this.#links.size >= MAX_LINKS || ofAddress.length >= MAX_LINKS_PER_ADDRESS) return;
    const thread = this.#options.sockets.find((socket) => socket.socket === path.socket)?.thread ?? 0;
    this.#make(path, thread, 'server', ({ peerCertificateDer }) =>
      this.#options.partners.objectionToAny(peerCertificateDer),
    );
  }

  #make(
    path: Path,
    thread: number,
    role: 'server' | 'client',
    objection: LinkTransportOptions['objection'],
  ): void {
    const { createDtlsSession, srtpProfiles, drawPeer } = this.#options;
    const link = new FederationLink(
      this.#options,
      {
        peer: drawPeer(),
        thread,
        path,
        transport: { role, identity: this.#identity, createDtlsSession, srtpProfiles, objection },
      },
      {
        opened: (opened) => this.#opened(opened),
        message: (from, message) => this.#receive(from, message),
        failed: (failed, reason) => this.#failed(failed, reason),
      },
    );
    this.#links.set(keyOf(path), link);
    this.#linkOfPeer.set(link.peer, link);
  }

  #opened(link: FederationLink): void {
    this.#options.onLink?.('up', link.path);
    if (link.role === 'server') return;
    for (const joining of this.#joining.values()) {
      if (keyOf(joining.path) !== keyOf(link.path)) continue;
      joining.attempts = 0;
      joining.session.openLink(link, 'joiner', joining.sister);
    }
  }

  #receive(link: FederationLink, message: LinkMessage): void {
    const session = this.#options.sessionOf(message.conversation as ConversationHash);
    if (session?.linkMessage(link, message)) return;
    if (message.type !== 'hello') return;
    const host = hostOfUrl(message.url);
    const { partners } = this.#options;
    const isItself =
      host !== undefined &&
      link.certificateDer !== undefined &&
      partners.objectionToHost(link.certificateDer, host) === undefined;
    // A server that connected may take part in conferences of this thread that are not anchored elsewhere.
    const mayJoin = session?.anchor === 'here' && session.thread === link.thread && link.role === 'server';
    if (!isItself || session === undefined || !mayJoin) {
      link.send({ type: 'bye', conversation: message.conversation });
      return;
    }
    session.openLink(link, 'anchor', session.successorUrl === message.url ? 'successor' : undefined);
    session.linkMessage(link, message);
  }

  #failed(link: FederationLink, reason: string): void {
    this.#options.onLink?.('down', link.path, reason);
    this.#remove(link);
    for (const joining of this.#joining.values()) {
      if (link.role !== 'client' || keyOf(joining.path) !== keyOf(link.path)) continue;
      if (joining.sister === undefined) {
        this.#retry(joining);
        continue;
      }
      this.#joining.delete(joining.session);
      joining.session.endUnlessUsed();
    }
  }

  #remove(link: FederationLink): void {
    if (this.#links.get(keyOf(link.path)) === link) this.#links.delete(keyOf(link.path));
    this.#linkOfPeer.delete(link.peer);
    link.detachAll();
  }

  #retry(joining: Joining): void {
    if (joining.timer !== undefined || this.#closed) return;
    const waitMs = Math.min(FIRST_RETRY_MS * 2 ** joining.attempts, LONGEST_RETRY_MS);
    joining.attempts++;
    joining.timer = setTimeout(() => this.#connect(joining), waitMs);
    joining.timer.unref();
  }

  /** A link that we made and no conference uses any more is closed; those of others are theirs to close. */
  #closeUnused(): void {
    for (const link of [...this.#links.values()]) {
      if (link.role !== 'client' || link.users > 0) continue;
      if ([...this.#joining.values()].some((joining) => keyOf(joining.path) === keyOf(link.path))) continue;
      this.#remove(link);
      link.close();
    }
  }
}

function keyOf(path: Path): string {
  return `${path.socket} ${path.address} ${path.port}`;
}
