import { expect, it } from "vitest";
import { isFirst } from "../src/live";

it("takes no frame of the incident before for the first of the next", () => {
  expect(isFirst(99, 100, false)).toBe(false);
  expect(isFirst(100, 100, false)).toBe(true);
});

it("takes the first frame out of silence, though it came before the centre's word", () => {
  expect(isFirst(99, 100, true)).toBe(true);
});

it("takes what it gets from a browser that does not say when a frame was received", () => {
  expect(isFirst(undefined, 100, false)).toBe(true);
});
