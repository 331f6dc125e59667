import { expect, it } from "vitest";
import { officerIsHeard, personIsHeard } from "../src/talk";

const call = { call: true, muted: false, holdToTalk: false, talking: false };

it("lets both be heard in a call, and nobody outside it", () => {
  expect([officerIsHeard(call), personIsHeard(call)]).toEqual([true, true]);
  const none = { ...call, call: false, holdToTalk: true, talking: true };
  expect([officerIsHeard(none), personIsHeard(none)]).toEqual([false, false]);
});

it("never lets both be heard at once in hold-to-talk", () => {
  for (const muted of [false, true]) {
    for (const talking of [false, true]) {
      const now = { ...call, holdToTalk: true, muted, talking };
      expect(officerIsHeard(now) && personIsHeard(now)).toBe(false);
    }
  }
  expect(officerIsHeard({ ...call, holdToTalk: true, talking: true })).toBe(true);
  expect(personIsHeard({ ...call, holdToTalk: true })).toBe(true);
});

it("lets a muted officer who holds the key hear", () => {
  const now = { ...call, holdToTalk: true, muted: true, talking: true };
  expect([officerIsHeard(now), personIsHeard(now)]).toEqual([false, true]);
});
