import { expect, it } from "vitest";
import { formatClock, formatMs, logPosition, timingRows } from "../src/timing";
import { MARKS } from "../src/wire";

const EDGE = 1_700_000_000_000_000;
const unit = { ms: "ms", s: "s", min: "min" };

it("counts every mark from the edge, in the expected order, and what follows Answer from Answer too", () => {
  const rows = timingRows({
    edge: EDGE,
    received: EDGE + 2_150,
    answered: EDGE + 5_000_000,
    connected: EDGE + 5_012_000,
    first_sound_down: EDGE + 5_061_500,
  });
  expect(rows.map((row) => row.mark)).toEqual([...MARKS]);
  const of = (mark: string) => rows.find((row) => row.mark === mark);
  expect(of("edge")?.since_edge_ms).toBe(0);
  expect(of("received")).toEqual({ mark: "received", since_edge_ms: 2.15, since_answer_ms: null });
  expect(of("connected")?.since_answer_ms).toBe(12);
  expect(of("first_sound_down")?.since_answer_ms).toBe(61.5);
  expect(of("first_sound_up")).toEqual({ mark: "first_sound_up", since_edge_ms: null, since_answer_ms: null });
});

it("counts nothing without an edge", () => {
  expect(timingRows({ received: EDGE }).every((row) => row.since_edge_ms === null)).toBe(true);
});

it("keeps a mark before the edge negative: two clocks may differ by a little", () => {
  expect(timingRows({ edge: EDGE, received: EDGE - 300 })[3]?.since_edge_ms).toBe(-0.3);
});

it("places times on a logarithmic axis within its ends", () => {
  expect(logPosition(0.2, 1000)).toBe(0);
  expect(logPosition(1000, 1000)).toBe(1);
  expect(logPosition(5000, 1000)).toBe(1);
  expect(logPosition(10, 1000)).toBeCloseTo(1 / 3);
});

it("writes times for people", () => {
  expect([0.84, 9.94, 9.96, 123.4, 9999, 12_345, 185_000].map((ms) => formatMs(ms, unit))).toEqual([
    "0.8 ms", "9.9 ms", "10 ms", "123 ms", "9999 ms", "12.3 s", "3:05",
  ]);
  expect(formatMs(-0.3, unit)).toBe("−0.3 ms");
});

it("writes positions from the press: negative before it", () => {
  expect([-29.6, -0.4, 0, 61, 3725].map(formatClock)).toEqual(["−0:29", "0:00", "0:00", "1:01", "1:02:05"]);
});
