/** One media section of a session description, as lines. */
export interface OfferSection {
  readonly kind: string;
  readonly mid: string;
  readonly protocol: string;
  readonly formats: readonly string[];
  readonly lines: readonly string[];
}

/** What a test client needs of a server's offer. */
export interface OfferLines {
  readonly session: readonly string[];
  readonly sections: readonly OfferSection[];
}

/** Cuts a session description into its sections. Only for offers of the server under test: nothing is checked. */
export function readOffer(sdp: string): OfferLines {
  const [session = '', ...media] = sdp.split(/\r\n(?=m=)/);
  return {
    session: session.split('\r\n'),
    sections: media.map((text) => {
      const lines = text.trimEnd().split('\r\n');
      const [kind = '', , protocol = '', ...formats] = (lines[0] ?? '').slice(2).split(' ');
      return { kind, mid: attribute(lines, 'mid') ?? '', protocol, formats, lines };
    }),
  };
}

/** The value of the first `a=name:` line. */
export function attribute(lines: readonly string[], name: string): string | undefined {
  return attributes(lines, name)[0];
}

/** The values of all `a=name:` lines. */
export function attributes(lines: readonly string[], name: string): string[] {
  const prefix = `a=${name}:`;
  return lines.filter((line) => line.startsWith(prefix)).map((line) => line.slice(prefix.length));
}

/** The payload type of a codec, by its name in `a=rtpmap`. */
export function payloadTypeOf(section: OfferSection, codec: string): number | undefined {
  const map = attributes(section.lines, 'rtpmap').find((value) =>
    value.split(' ')[1]?.startsWith(`${codec}/`),
  );
  return map === undefined ? undefined : Number(map.split(' ')[0]);
}

/** The id of a header extension, by its URI in `a=extmap`. */
export function extensionIdOf(section: OfferSection, uri: string): number | undefined {
  const map = attributes(section.lines, 'extmap').find((value) => value.split(' ')[1] === uri);
  return map === undefined ? undefined : Number.parseInt(map, 10);
}

/** What a test client puts into its answer. */
export interface AnswerParts {
  readonly ufrag: string;
  readonly pwd: string;
  readonly fingerprint: string;
  readonly candidates: readonly string[];
  /** SSRC of its audio; it sends none without. */
  readonly audioSsrc?: number;
  /** `simulcast`: rids of the offer; `single`: with this SSRC. */
  readonly video?: 'simulcast' | { readonly ssrc: number };
}

/** Answers every section of an offer the way a Wire client does: candidates in the first, slots received only. */
export function writeAnswer(offer: OfferLines, parts: AnswerParts): string {
  const lines = ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0'];
  const bundle = offer.session.find((line) => line.startsWith('a=group:BUNDLE'));
  if (bundle) lines.push(bundle);
  lines.push('a=tool:testkit');
  offer.sections.forEach((section, index) => {
    lines.push(`m=${section.kind} 9 ${section.protocol} ${section.formats.join(' ')}`, 'c=IN IP4 127.0.0.1');
    lines.push(`a=mid:${section.mid}`, `a=ice-ufrag:${parts.ufrag}`, `a=ice-pwd:${parts.pwd}`);
    lines.push(`a=fingerprint:sha-256 ${parts.fingerprint}`, 'a=setup:active');
    if (index === 0) for (const candidate of parts.candidates) lines.push(`a=candidate:${candidate}`);
    if (section.kind === 'application') {
      lines.push(...section.lines.filter((l) => l.startsWith('a=sctp')), 'a=sendrecv');
      return;
    }
    lines.push('a=rtcp-mux', ...section.lines.filter((l) => /^a=(rtpmap|fmtp|extmap|rtcp-fb):/.test(l)));
    lines.push(...directionLines(section, parts));
  });
  return `${lines.join('\r\n')}\r\n`;
}

function directionLines(section: OfferSection, parts: AnswerParts): string[] {
  if (section.mid === 'audio') {
    return parts.audioSsrc === undefined
      ? ['a=recvonly']
      : ['a=sendrecv', `a=ssrc:${parts.audioSsrc} cname:testkit`];
  }
  if (section.mid !== 'video' || !parts.video) return ['a=recvonly'];
  if (parts.video === 'simulcast')
    return ['a=sendrecv', 'a=rid:l send', 'a=rid:h send', 'a=simulcast:send l;h'];
  return ['a=sendrecv', `a=ssrc:${parts.video.ssrc} cname:testkit`];
}
