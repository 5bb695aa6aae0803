import { FormatError } from '@conclave/bytes';
import { BitReader } from './bit-reader.ts';

/**
 * The part of an AV1 dependency descriptor (RTP Payload Format For AV1, appendix A) that a forwarder needs. Custom
 * dependencies of the single frame are not read.
 */
export interface DependencyDescriptor {
  readonly startOfFrame: boolean;
  readonly endOfFrame: boolean;
  /** Template that describes the frame: 0-63. */
  readonly templateId: number;
  /** 16 bits. */
  readonly frameNumber: number;
  /** Only with the first packet of a key frame. */
  readonly structure?: TemplateStructure;
  /** Bit mask of the decode targets that are being sent, when this packet tells. */
  readonly activeDecodeTargets?: number;
}

/** What the templates of a stream mean; valid from its key frame to the next. */
export interface TemplateStructure {
  readonly templateIdOffset: number;
  /** 1-32. */
  readonly decodeTargetCount: number;
  /** Layers of each template, at most 64 of them. */
  readonly templates: readonly { readonly spatialId: number; readonly temporalId: number }[];
  readonly chainCount: number;
  /** Pixels, by spatial layer, lowest first; empty when the sender does not tell. */
  readonly resolutions: readonly { readonly width: number; readonly height: number }[];
}

const MANDATORY_BYTES = 3;
const MAX_TEMPLATES = 64;
const MAX_SPATIAL_ID = 3;
const MAX_TEMPORAL_ID = 7;

/**
 * Whether the packet is the first of a key frame: it starts a frame and carries a template structure. Looks at two
 * bits alone, so that it can stand on a hot path.
 */
export function startsDependencyKeyFrame(value: Uint8Array): boolean {
  return value.length > MANDATORY_BYTES && (value[0]! & 0x80) !== 0 && (value[3]! & 0x80) !== 0;
}

/** Throws {@link FormatError} `truncated` or `bad-dependency-descriptor`. */
export function parseDependencyDescriptor(value: Uint8Array): DependencyDescriptor {
  const bits = new BitReader(value);
  const startOfFrame = bits.flag();
  const endOfFrame = bits.flag();
  const templateId = bits.bits(6);
  const frameNumber = bits.bits(16);
  const descriptor = { startOfFrame, endOfFrame, templateId, frameNumber };
  if (value.length === MANDATORY_BYTES) return descriptor;
  const hasStructure = bits.flag();
  const hasActiveTargets = bits.flag();
  bits.bits(3);
  if (hasStructure && !startOfFrame) {
    throw new FormatError('bad-dependency-descriptor', 'a template structure inside of a frame');
  }
  if (!hasStructure) {
    // Without its structure the width of the bit mask is unknown, so an update alone is left unread.
    return descriptor;
  }
  const structure = readStructure(bits);
  const all = 2 ** structure.decodeTargetCount - 1;
  const activeDecodeTargets = hasActiveTargets ? bits.bits(structure.decodeTargetCount) : all;
  return { ...descriptor, structure, activeDecodeTargets };
}

function readStructure(bits: BitReader): TemplateStructure {
  const templateIdOffset = bits.bits(6);
  const decodeTargetCount = bits.bits(5) + 1;
  const templates = readTemplateLayers(bits);
  for (let i = 0; i < templates.length * decodeTargetCount; i++) bits.bits(2);
  for (let i = 0; i < templates.length; i++) {
    while (bits.flag()) bits.bits(4);
  }
  const chainCount = bits.nonSymmetric(decodeTargetCount + 1);
  if (chainCount > 0) {
    for (let i = 0; i < decodeTargetCount; i++) bits.nonSymmetric(chainCount);
    for (let i = 0; i < templates.length * chainCount; i++) bits.bits(4);
  }
  const resolutions: { width: number; height: number }[] = [];
  if (bits.flag()) {
    const spatialLayers = (templates.at(-1)?.spatialId ?? 0) + 1;
    for (let i = 0; i < spatialLayers; i++) {
      resolutions.push({ width: bits.bits(16) + 1, height: bits.bits(16) + 1 });
    }
  }
  return { templateIdOffset, decodeTargetCount, templates, chainCount, resolutions };
}

function readTemplateLayers(bits: BitReader): { spatialId: number; temporalId: number }[] {
  const templates: { spatialId: number; temporalId: number }[] = [];
  let spatialId = 0;
  let temporalId = 0;
  for (;;) {
    if (templates.length >= MAX_TEMPLATES || spatialId > MAX_SPATIAL_ID || temporalId > MAX_TEMPORAL_ID) {
      throw new FormatError('bad-dependency-descriptor', 'too many templates or layers');
    }
    templates.push({ spatialId, temporalId });
    const nextLayer = bits.bits(2);
    if (nextLayer === 1) {
      temporalId++;
    } else if (nextLayer === 2) {
      spatialId++;
      temporalId = 0;
    } else if (nextLayer === 3) {
      return templates;
    }
  }
}
