import { describe, expect, it } from "vitest";
import { fragmentStart, mimeType, tracks } from "../src/mp4";

// Boxes built by hand, as ISO/IEC 14496-12 lays them out.
const u16 = (n: number) => [n >> 8, n & 255];
const u32 = (n: number) => [...u16(n >>> 16), ...u16(n & 0xffff)];
const text = (s: string) => [...s].map((c) => c.charCodeAt(0));
const zeros = (n: number) => new Array<number>(n).fill(0);
const box = (type: string, ...body: number[][]) => {
  const flat = body.flat();
  return [...u32(flat.length + 8), ...text(type), ...flat];
};
const full = (type: string, version: number, ...body: number[][]) => box(type, [version, 0, 0, 0], ...body);

const avcC = box("avcC", [1, 0x42, 0xc0, 0x1f, 0xff, 0xe1, 0, 0]);
const avc1 = box("avc1", zeros(78), avcC);
const opus = box("Opus", zeros(28), box("dOps", zeros(11)));

function trak(id: number, timescale: number, entry: number[], version = 0): number[] {
  const times = zeros(version === 1 ? 16 : 8);
  const tkhd = full("tkhd", version, times, u32(id), zeros(60));
  const mdhd = full("mdhd", version, times, u32(timescale), zeros(8));
  const stsd = full("stsd", 0, u32(1), entry);
  return box("trak", tkhd, box("mdia", mdhd, box("minf", box("stbl", stsd))));
}

const bytes = (...parts: number[][]) => new Uint8Array(parts.flat());
const ftyp = box("ftyp", text("isom"), zeros(4));
const moov = box("moov", full("mvhd", 0, zeros(96)), trak(1, 90_000, avc1), trak(2, 48_000, opus, 1));

describe("the recording's header", () => {
  it("names its tracks, profile and level as the avcC says", () => {
    const found = tracks(bytes(ftyp, moov));
    expect(found).toEqual([
      { id: 1, timescale: 90_000, codec: "avc1.42C01F" },
      { id: 2, timescale: 48_000, codec: "opus" },
    ]);
    expect(mimeType(found)).toBe('video/mp4; codecs="avc1.42C01F,opus"');
  });

  it("is sound alone when there is no picture", () => {
    expect(mimeType([{ id: 1, timescale: 48_000, codec: "opus" }])).toBe('audio/mp4; codecs="opus"');
  });

  it("is nothing when it is torn, empty or something else", () => {
    const whole = bytes(ftyp, moov);
    for (const cut of [0, 7, 30, whole.length - 1]) expect(tracks(whole.slice(0, cut))).toEqual([]);
    expect(tracks(bytes(box("moov", trak(1, 0, avc1))))).toEqual([]);
    expect(tracks(bytes(box("moov", trak(1, 1, box("avc1", zeros(20))))))).toEqual([]);
    expect(mimeType([])).toBeNull();
  });
});

describe("a media fragment", () => {
  const known = [
    { id: 1, timescale: 90_000, codec: "avc1.42C01F" },
    { id: 2, timescale: 48_000, codec: "opus" },
  ];
  const traf = (id: number, tfdt: number[]) => box("traf", full("tfhd", 0, u32(id)), tfdt);

  it("begins where its earliest track begins, in seconds", () => {
    const moof = box(
      "moof",
      traf(1, full("tfdt", 1, u32(0), u32(180_000))),
      traf(2, full("tfdt", 0, u32(95_520))),
    );
    expect(fragmentStart(bytes(moof), known)).toBeCloseTo(1.99);
  });

  it("says nothing when it is not one, or of tracks nobody declared", () => {
    expect(fragmentStart(bytes(ftyp), known)).toBeNull();
    expect(fragmentStart(bytes(box("moof", traf(9, full("tfdt", 0, u32(1))))), known)).toBeNull();
    expect(fragmentStart(bytes(box("moof", box("traf", full("tfhd", 0, u32(1)))), ), known)).toBeNull();
  });

  it("is read from the middle of a larger buffer", () => {
    const moof = bytes(box("moof", traf(1, full("tfdt", 0, u32(90_000)))));
    const larger = new Uint8Array(moof.length + 5);
    larger.set(moof, 5);
    expect(fragmentStart(larger.subarray(5), known)).toBe(1);
  });
});
