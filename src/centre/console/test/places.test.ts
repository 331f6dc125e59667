import { describe, expect, it } from "vitest";
import { indexAfter, indexAt, lastIndex } from "../src/places";
import type { FragmentView, RecordingView } from "../src/wire";

const at = (index: number, start_s: number): FragmentView => ({
  index,
  start_wall_us: 1_700_000_000_000_000 + start_s * 1e6,
  duration_us: 1_000_000,
  size: 1,
  sha256: "",
});
/** Ten fragments of a second, of which the fifth never came; index 0 is the header. */
const holed = [at(0, 0), ...[1, 2, 3, 4, 6, 7, 8, 9, 10].map((index) => at(index, index - 1))];
const recording = (fragments: number): RecordingView => ({
  header: true,
  fragments,
  start_wall_us: null,
  duration_ms: fragments * 1000,
  complete: false,
  evidence: { standing: "unsigned" },
});

describe("a recording with a hole", () => {
  it("goes on behind it", () => {
    expect(indexAfter(5, holed)).toBe(6);
    expect(indexAfter(10, holed)).toBeNull();
  });

  it("is played to its last fragment, though the count is one less", () => {
    expect(lastIndex(recording(9), holed)).toBe(10);
    expect(lastIndex(recording(9), [])).toBe(9);
  });
});

describe("a place", () => {
  it("is found in the list, whatever is missing", () => {
    expect(indexAt(0, recording(9), holed)).toBe(1);
    expect(indexAt(3.5, recording(9), holed)).toBe(4);
    expect(indexAt(4.5, recording(9), holed)).toBe(4);
    expect(indexAt(7.2, recording(9), holed)).toBe(8);
  });

  it("is estimated behind the end of a list that the recording has outgrown", () => {
    expect(indexAt(9.5, recording(9), holed)).toBe(10);
    expect(indexAt(15.5, recording(30), holed)).toBe(15);
    expect(indexAt(99, recording(30), holed)).toBe(30);
  });

  it("is estimated without one, a fragment too early rather than too late", () => {
    expect(indexAt(5.5, recording(10), [])).toBe(5);
    expect(indexAt(0, recording(10), [])).toBe(1);
    expect(indexAt(99, recording(10), [])).toBe(10);
  });
});
