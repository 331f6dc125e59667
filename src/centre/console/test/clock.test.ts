import { describe, expect, it } from "vitest";
import { ClockOffset } from "../src/clock";

describe("the clock offset", () => {
  it("is unknown until something was heard", () => {
    expect(new ClockOffset().best()).toBeNull();
  });

  it("is the centre's clock minus the middle of the round trip", () => {
    const clock = new ClockOffset();
    clock.add(1_000, 501_100, 1_200);
    expect(clock.best()).toEqual({ offset_us: 500_000, round_trip_us: 200 });
  });

  it("believes the sample with the shortest round trip", () => {
    const clock = new ClockOffset();
    clock.add(0, 10_000, 8_000); // A late answer: offset 6,000.
    clock.add(20_000, 25_100, 20_200); // Offset 5,000.
    clock.add(40_000, 49_000, 46_000); // Offset 6,000.
    expect(clock.best()).toEqual({ offset_us: 5_000, round_trip_us: 200 });
  });

  it("forgets what is older than the last sixteen samples", () => {
    const clock = new ClockOffset();
    clock.add(0, 1_000_010, 20);
    for (let n = 0; n < 16; n += 1) clock.add(1_000, 3_050, 1_100);
    expect(clock.best()).toEqual({ offset_us: 2_000, round_trip_us: 100 });
  });

  it("uses a guess only until the first pong, and never reports it", () => {
    const clock = new ClockOffset();
    clock.guess(900, 100);
    expect(clock.best()?.offset_us).toBe(800);
    expect(clock.measured()).toBeNull();
    clock.add(1_000, 2_050, 1_100);
    clock.guess(9_999_999, 0);
    expect(clock.measured()).toEqual({ offset_us: 1_000, round_trip_us: 100 });
  });

  it("ignores an answer from before its question", () => {
    const clock = new ClockOffset();
    clock.add(2_000, 5_000, 1_000);
    clock.add(Number.NaN, 5_000, 1_000);
    expect(clock.best()).toBeNull();
  });
});
