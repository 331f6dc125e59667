import { expect, it } from "vitest";
import { backoff } from "../src/backoff";

it("tries again after 0.2 s, then more and more slowly up to 2 s", () => {
  expect([0, 1, 2, 3, 4, 50].map((attempt) => backoff(attempt, 0.5))).toEqual([200, 400, 800, 1600, 2000, 2000]);
});

it("spreads pages by a quarter either way and never over 2 s", () => {
  expect(backoff(2, 0)).toBe(600);
  expect(backoff(2, 1)).toBe(1000);
  expect(backoff(9, 1)).toBe(2000);
  expect(backoff(9, 0)).toBe(1500);
});
