// What the page must know of a fragmented MP4 (ISO/IEC 14496-12, -15; Opus in ISOBMFF) before playing it.

export interface Track {
  id: number;
  timescale: number;
  /** RFC 6381, for example `avc1.42C01F` or `opus`. */
  codec: string;
}

interface Box {
  type: string;
  /** The content, without the box's own header. */
  body: DataView;
}

function fourcc(view: DataView, at: number): string {
  return String.fromCharCode(view.getUint8(at), view.getUint8(at + 1), view.getUint8(at + 2), view.getUint8(at + 3));
}

function part(view: DataView, from: number, to = view.byteLength): DataView {
  return new DataView(view.buffer, view.byteOffset + from, to - from);
}

/** The boxes in `view`, in order; a torn or nonsensical box ends the list. */
function* boxes(view: DataView): Generator<Box> {
  let at = 0;
  while (at + 8 <= view.byteLength) {
    let size = view.getUint32(at);
    let header = 8;
    if (size === 1 && at + 16 <= view.byteLength) {
      size = Number(view.getBigUint64(at + 8));
      header = 16;
    } else if (size === 0) {
      size = view.byteLength - at;
    }
    if (size < header || at + size > view.byteLength) return;
    yield { type: fourcc(view, at + 4), body: part(view, at + header, at + size) };
    at += size;
  }
}

function find(view: DataView | undefined, type: string): DataView | undefined {
  if (view === undefined) return undefined;
  for (const box of boxes(view)) if (box.type === type) return box.body;
  return undefined;
}

function findPath(view: DataView, ...path: string[]): DataView | undefined {
  return path.reduce<DataView | undefined>((inside, type) => find(inside, type), view);
}

function asView(bytes: ArrayBuffer | Uint8Array): DataView {
  return bytes instanceof Uint8Array
    ? new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : new DataView(bytes);
}

const hex = (byte: number) => byte.toString(16).padStart(2, "0").toUpperCase();

/** Bytes of the fields a video or audio sample entry begins with, before its own boxes. */
const VISUAL_ENTRY = 78;
const AUDIO_ENTRY = 28;

function codecOf(stsd: DataView): string | undefined {
  const entry = boxes(part(stsd, 8)).next().value;
  if (entry === undefined) return undefined;
  if (entry.type === "avc1" || entry.type === "avc3") {
    const avcc = entry.body.byteLength > VISUAL_ENTRY ? find(part(entry.body, VISUAL_ENTRY), "avcC") : undefined;
    if (avcc === undefined || avcc.byteLength < 4) return undefined;
    return `${entry.type}.${hex(avcc.getUint8(1))}${hex(avcc.getUint8(2))}${hex(avcc.getUint8(3))}`;
  }
  if (entry.type === "Opus") return entry.body.byteLength >= AUDIO_ENTRY ? "opus" : undefined;
  if (entry.type === "mp4a") return "mp4a.40.2";
  return undefined;
}

function trackOf(trak: DataView): Track | undefined {
  const tkhd = find(trak, "tkhd");
  const mdhd = findPath(trak, "mdia", "mdhd");
  const stsd = findPath(trak, "mdia", "minf", "stbl", "stsd");
  if (tkhd === undefined || mdhd === undefined || stsd === undefined || stsd.byteLength < 16) return undefined;
  const codec = codecOf(stsd);
  if (codec === undefined) return undefined;
  // Version 1 of both boxes has 64-bit times before the field.
  const id = tkhd.getUint32(tkhd.getUint8(0) === 1 ? 20 : 12);
  const timescale = mdhd.getUint32(mdhd.getUint8(0) === 1 ? 20 : 12);
  return timescale > 0 ? { id, timescale, codec } : undefined;
}

/** The tracks a header (ftyp, moov) declares. Empty when it is not a header. */
export function tracks(header: ArrayBuffer | Uint8Array): Track[] {
  const moov = find(asView(header), "moov");
  if (moov === undefined) return [];
  const found: Track[] = [];
  for (const box of boxes(moov)) {
    const track = box.type === "trak" ? trackOf(box.body) : undefined;
    if (track !== undefined) found.push(track);
  }
  return found;
}

/** The type a SourceBuffer is made with; null when the header declares nothing that can be played. */
export function mimeType(found: readonly Track[]): string | null {
  if (found.length === 0) return null;
  const codecs = found.map((track) => track.codec).join(",");
  const kind = found.some((track) => track.codec.startsWith("avc")) ? "video" : "audio";
  return `${kind}/mp4; codecs="${codecs}"`;
}

/** Where a media fragment (moof, mdat) begins on the recording's timeline, seconds; null when it does not say. */
export function fragmentStart(fragment: ArrayBuffer | Uint8Array, known: readonly Track[]): number | null {
  const moof = find(asView(fragment), "moof");
  if (moof === undefined) return null;
  let earliest: number | null = null;
  for (const box of boxes(moof)) {
    if (box.type !== "traf") continue;
    const tfhd = find(box.body, "tfhd");
    const tfdt = find(box.body, "tfdt");
    if (tfhd === undefined || tfdt === undefined || tfhd.byteLength < 8 || tfdt.byteLength < 8) continue;
    const track = known.find((candidate) => candidate.id === tfhd.getUint32(4));
    if (track === undefined) continue;
    const long = tfdt.getUint8(0) === 1 && tfdt.byteLength >= 12;
    const seconds = (long ? Number(tfdt.getBigUint64(4)) : tfdt.getUint32(4)) / track.timescale;
    earliest = earliest === null ? seconds : Math.min(earliest, seconds);
  }
  return earliest;
}
