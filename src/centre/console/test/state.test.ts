import { describe, expect, it } from "vitest";
import {
  canAnswer,
  canClose,
  condition,
  initial,
  kiosksWorstFirst,
  oldestWaiting,
  openIncidents,
  outputs,
  step,
  type Event,
  type State,
} from "../src/state";
import type { FromPage, IncidentView, KioskView, ToPage } from "../src/wire";

const ME = "aigerim";

function incident(id: string, change: Partial<IncidentView> = {}): IncidentView {
  return {
    id,
    kiosk: "park",
    place: { name: "Park" },
    origin: "button",
    standing: "waiting",
    owner: null,
    pressed_wall_us: 1_000,
    closed_wall_us: null,
    presses: 1,
    verdict: null,
    note: "",
    kiosk_closed: false,
    timing: {},
    recording: {
      header: false,
      fragments: 0,
      start_wall_us: null,
      duration_ms: 0,
      complete: false,
      evidence: { standing: "unsigned" },
    },
    ...change,
  };
}

const said = (message: ToPage, at_ms = 0): Event => ({ type: "centre", message, at_ms });
const shows = (id: string, change: Partial<IncidentView> = {}) =>
  said({ type: "incident", incident: incident(id, change) });
const hello = (incidents: IncidentView[] = [], at_ms = 0) =>
  said({ type: "hello", officer: ME, instance: "i", wall_us: 0, incidents, kiosks: [], on_duty: [], archive_full: false }, at_ms);
const watching = (id: string | null) => said({ type: "watching", incident: id });
const mine = { standing: "answered", owner: ME } as const;
const theirs = { standing: "answered", owner: "daniyar" } as const;

/** Plays events one after another; gives the state and all that was sent. */
function play(...events: Event[]): { state: State; sent: FromPage[] } {
  let state = initial;
  const sent: FromPage[] = [];
  for (const event of events) {
    const next = step(state, event);
    state = next.state;
    sent.push(...next.send);
  }
  return { state, sent };
}

const onDuty: Event[] = [hello(), { type: "duty", on: true }];
const inCall: Event[] = [
  ...onDuty,
  shows("a"),
  watching("a"),
  { type: "answer", incident: "a" },
  shows("a", mine),
];

describe("an alarm", () => {
  it("goes on the stage of an idle officer, who asks for nothing: the centre sends the picture by itself", () => {
    const { state, sent } = play(...onDuty, shows("a"), watching("a"));
    expect(state.selected).toBe("a");
    expect(sent).toEqual([{ type: "duty", on: true }]);
  });

  it("takes the stage from a closed incident and from one on hold, and then asks for the picture", () => {
    const { state, sent } = play(...inCall, shows("a", { ...mine, standing: "on_hold" }), shows("b"));
    expect(state.selected).toBe("b");
    expect(sent.at(-1)).toEqual({ type: "watch", incident: "b" });
  });

  it("does not take the stage from a call, nor from an alarm that came before", () => {
    expect(play(...inCall, shows("b")).state.selected).toBe("a");
    expect(play(...onDuty, shows("a"), watching("a"), shows("b")).state.selected).toBe("a");
  });

  it("does not take the stage of an officer who is off duty", () => {
    expect(play(hello(), shows("a")).state.selected).toBeNull();
  });
});

describe("answering", () => {
  it("is a call once the centre says so, not before", () => {
    const asked = play(...inCall.slice(0, -1));
    expect(asked.state.call).toBeNull();
    expect(asked.sent.at(-1)).toEqual({ type: "answer", incident: "a" });
    expect(play(...inCall).state.call).toBe("a");
  });

  it("is no call when another officer was first", () => {
    const before = inCall.slice(0, -1);
    const other = play(...before, shows("a", { standing: "answered", owner: "daniyar" }));
    expect(other.state).toMatchObject({ call: null, asked: null });
    const refused = play(...before, said({ type: "refused", request: "answer", why: "already answered" }));
    expect(refused.state).toMatchObject({ call: null, asked: null });
  });

  it("is no call of this page when the officer answers on another one", () => {
    expect(play(...onDuty, shows("a", mine)).state.call).toBeNull();
  });

  it("is possible for what waits or is on hold, not for another's call, one's own, or off duty", () => {
    const { state } = play(...inCall);
    expect(canAnswer(state, incident("b"))).toBe(true);
    expect(canAnswer(state, incident("b", { standing: "on_hold", owner: "daniyar" }))).toBe(true);
    expect(canAnswer(state, incident("b", { standing: "answered", owner: "daniyar" }))).toBe(false);
    expect(canAnswer(state, incident("a", mine))).toBe(false);
    expect(canAnswer(play(hello()).state, incident("b"))).toBe(false);
  });

  it("may be followed by Close for one's own and for what waits", () => {
    const { state } = play(...inCall);
    expect(canClose(state, incident("a", mine))).toBe(true);
    expect(canClose(state, incident("b"))).toBe(true);
    expect(canClose(state, incident("b", { standing: "on_hold", owner: "daniyar" }))).toBe(false);
    expect(canClose(state, incident("b", { standing: "closed", owner: ME }))).toBe(false);
  });
});

describe("the end of a call", () => {
  it("comes with hold and with close", () => {
    expect(play(...inCall, shows("a", { ...mine, standing: "on_hold" })).state.call).toBeNull();
    expect(play(...inCall, shows("a", { ...mine, standing: "closed" })).state.call).toBeNull();
  });

  it("leaves the closed incident on the stage, or brings what has waited longest", () => {
    const closed = shows("a", { ...mine, standing: "closed" });
    expect(play(...inCall, closed).state.selected).toBe("a");
    const others = [shows("c", { pressed_wall_us: 300 }), shows("b", { pressed_wall_us: 200 })];
    expect(play(...inCall, ...others, closed).state.selected).toBe("b");
  });
});

describe("choosing an incident", () => {
  it("asks for its picture, but not during a call nor for a closed one", () => {
    const two = [...onDuty, shows("a"), watching("a"), shows("b")];
    expect(play(...two, { type: "select", incident: "b" }).sent.at(-1)).toEqual({ type: "watch", incident: "b" });
    const during = play(...inCall, shows("b"), { type: "select", incident: "b" });
    expect(during.state.selected).toBe("b");
    expect(during.sent.some((message) => message.type === "watch")).toBe(false);
    const closed = play(...onDuty, shows("z", { standing: "closed" }), { type: "select", incident: "z" });
    expect(closed.sent.some((message) => message.type === "watch")).toBe(false);
  });
});

describe("a broken connection", () => {
  const lost: Event = { type: "link_lost", at_ms: 10_000 };

  it("is followed by going on duty again without a click", () => {
    const { state, sent } = play(...onDuty, lost, hello());
    expect(state).toMatchObject({ link: "up", duty: true, lost_at_ms: null });
    expect(sent).toEqual([{ type: "duty", on: true }, { type: "duty", on: true }]);
  });

  it("keeps the time of its beginning over failed attempts", () => {
    const { state } = play(...onDuty, lost, { type: "link_lost", at_ms: 20_000 });
    expect(state).toMatchObject({ link: "lost", lost_at_ms: 10_000 });
  });

  it("gives back a call that is still ours", () => {
    const { state, sent } = play(...inCall, lost, hello([incident("a", mine)]), watching("a"));
    expect(state).toMatchObject({ call: "a", selected: "a" });
    expect(sent.at(-1)).toEqual({ type: "answer", incident: "a" });
  });

  it("answers again what has gone back to waiting meanwhile", () => {
    const { state, sent } = play(...inCall, lost, hello([incident("a")], 15_000));
    expect(sent.slice(-2)).toEqual([{ type: "duty", on: true }, { type: "answer", incident: "a" }]);
    expect(state.call).toBeNull();
    expect(step(state, shows("a", mine)).state.call).toBe("a");
  });

  it("does not after half a minute, and not what another has taken", () => {
    const late = play(...inCall, lost, hello([incident("a")], 41_000));
    expect(late.sent.at(-1)).toEqual({ type: "duty", on: true });
    const taken = incident("a", { standing: "answered", owner: "daniyar" });
    expect(play(...inCall, lost, hello([taken], 11_000)).sent.at(-1)).toEqual({ type: "duty", on: true });
  });

  it("brings an alarm that came meanwhile on the stage", () => {
    expect(play(...onDuty, lost, hello([incident("b")])).state.selected).toBe("b");
  });
});

describe("lists", () => {
  it("show what waits before the rest, the longest wait first", () => {
    const views = [
      incident("late", { pressed_wall_us: 9 }),
      incident("held", { pressed_wall_us: 1, standing: "on_hold" }),
      incident("early", { pressed_wall_us: 5 }),
      incident("over", { standing: "closed" }),
    ];
    const { state } = play(hello(views));
    expect(openIncidents(state.incidents).map((view) => view.id)).toEqual(["early", "late", "held"]);
    expect(oldestWaiting(state)).toBe("early");
  });

  it("do not grow without end", () => {
    const many = Array.from({ length: 200 }, (_, n) =>
      shows(`i${n}`, { standing: "closed", pressed_wall_us: n }),
    );
    const { state } = play(hello(), shows("open"), ...many);
    expect(state.incidents.size).toBe(61);
    expect(state.incidents.has("open")).toBe(true);
    expect(state.incidents.has("i199")).toBe(true);
    expect(state.incidents.has("i0")).toBe(false);
  });

  it("offer what the kiosk says it has, in one's own incident and nowhere else", () => {
    const strobe = { output: "strobe", on: false } as const;
    const park: KioskView = {
      id: "park",
      place: { name: "Park" },
      alive: true,
      leg_up: true,
      faults: [],
      outputs: [strobe],
      testing: false,
      last_test: null,
      proved: true,
      board: {},
      seen_wall_us: 0,
      version: "",
    };
    const { state } = play(...onDuty, said({ type: "kiosk", kiosk: park }));
    expect(outputs(state, incident("a", mine))).toEqual([strobe]);
    expect(outputs(state, incident("a", { ...mine, standing: "on_hold" }))).toEqual([strobe]);
    expect(outputs(state, incident("a"))).toEqual([]);
    expect(outputs(state, incident("a", { ...mine, owner: "daulet" }))).toEqual([]);
    expect(outputs(state, incident("a", { ...mine, standing: "closed" }))).toEqual([]);
    expect(outputs(state, incident("a", { ...mine, kiosk: "gate" }))).toEqual([]);
  });

  it("put dead kiosks before faulty ones before those without a line", () => {
    const kiosk = (id: string, change: Partial<KioskView>): KioskView => ({
      id,
      place: { name: id },
      alive: true,
      leg_up: true,
      faults: [],
      outputs: [],
      testing: false,
      last_test: null,
      proved: true,
      board: {},
      seen_wall_us: 0,
      version: "",
      ...change,
    });
    const all = [
      kiosk("fine", {}),
      kiosk("no-leg", { leg_up: false }),
      kiosk("blind", { faults: [{ kind: "camera_lost", detail: "" }] }),
      kiosk("dead", { alive: false, leg_up: false }),
    ];
    expect(kiosksWorstFirst(all).map(condition)).toEqual(["dead", "faulty", "no_leg", "ready"]);
  });
});

describe("several alarms", () => {
  it("do not leave the stage with another's call while one rings", () => {
    const { state, sent } = play(...onDuty, shows("a"), watching("a"), shows("b", { pressed_wall_us: 2_000 }), shows("a", theirs));
    expect(state.selected).toBe("b");
    expect(sent.at(-1)).toEqual({ type: "watch", incident: "b" });
  });

  it("leave it with another's call when nothing else rings, and never break off one's own", () => {
    expect(play(...onDuty, shows("a"), watching("a"), shows("a", theirs)).state.selected).toBe("a");
    expect(play(...inCall, shows("b"), shows("b", theirs)).state.selected).toBe("a");
  });
});

describe("the same officer's two pages", () => {
  const other = [...onDuty, shows("a", mine)];

  it("do not take the call from each other when one reconnects", () => {
    const { state, sent } = play(...other, { type: "link_lost", at_ms: 0 }, hello([incident("a", mine)], 500));
    expect(state.call).toBeNull();
    expect(sent.filter((message) => message.type === "answer")).toEqual([]);
  });

  it("show the call on the one that the centre gave it to, and not on the other", () => {
    expect(play(...inCall, watching(null)).state.call).toBeNull();
    expect(play(...other, watching("a")).state).toMatchObject({ call: "a", selected: "a" });
  });
});

describe("a page that was reloaded in a call", () => {
  it("shows nothing until its officer is on duty again", () => {
    expect(play(hello([incident("a", mine)])).state).toMatchObject({ call: null, selected: null });
  });
});

describe("a close", () => {
  const close = { type: "close", incident: "a", verdict: "prank", note: "boys" } as const;

  it("is said again after a reconnection until the centre shows it", () => {
    const { sent } = play(...inCall, { type: "link_lost", at_ms: 0 }, close, hello([incident("a", mine)], 500));
    expect(sent.slice(-3).map((message) => message.type)).toEqual(["duty", "answer", "close"]);
    expect(sent.at(-1)).toEqual(close);
  });

  it("is not said again once closed, by whomever, or refused", () => {
    const closed = { ...mine, standing: "closed" } as const;
    const again: Event[] = [{ type: "link_lost", at_ms: 0 }, hello([incident("a", closed)], 500)];
    expect(play(...inCall, close, shows("a", closed), ...again).state.closing.size).toBe(0);
    expect(play(...inCall, close, ...again).sent.filter((message) => message.type === "close")).toHaveLength(1);
    expect(play(...inCall, close, said({ type: "refused", request: "close", why: "no" })).state.closing.size).toBe(0);
  });
});

describe("a full archive", () => {
  it("is known from the first message and followed from then on", () => {
    const full: Event = said({ type: "archive", full: true });
    expect(play(hello()).state.archive_full).toBe(false);
    expect(play(hello(), full).state.archive_full).toBe(true);
    expect(play(hello(), full, said({ type: "archive", full: false })).state.archive_full).toBe(false);
    expect(play(hello(), full, hello()).state.archive_full).toBe(false);
  });
});
