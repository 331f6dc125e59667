// The page's state as a pure machine: (state, event) -> state and what to say to the centre.
// No clock, no DOM, no network: everything that happened comes in, everything to be said goes out.

import type { FromPage, IncidentView, KioskView, OutputState, ToPage, Verdict } from "./wire";

export interface State {
  /** Login name; null until the centre's hello. */
  officer: string | null;
  instance: string | null;
  link: "never" | "up" | "lost";
  /** Page's monotonic clock when the link broke, ms. */
  lost_at_ms: number | null;
  /** What the officer wants; said again after every reconnection. */
  duty: boolean;
  on_duty: readonly string[];
  /** Recordings are refused at the centre for want of room. */
  archive_full: boolean;
  incidents: ReadonlyMap<string, IncidentView>;
  kiosks: ReadonlyMap<string, KioskView>;
  /** Which incident's picture the connection carries, as the centre said. */
  watching: string | null;
  /** The incident on the stage. */
  selected: string | null;
  /** Answer was asked for here and the centre has not decided yet. */
  asked: string | null;
  /** The incident this page talks in. */
  call: string | null;
  /** The call that was under way when the link broke. */
  interrupted: { incident: string; at_ms: number } | null;
  /** Closes that the centre has not confirmed; said again after every reconnection, so that no verdict is lost. */
  closing: ReadonlyMap<string, Close>;
}

type Close = Extract<FromPage, { type: "close" }>;

export const initial: State = {
  officer: null,
  instance: null,
  link: "never",
  lost_at_ms: null,
  duty: false,
  on_duty: [],
  archive_full: false,
  incidents: new Map(),
  kiosks: new Map(),
  watching: null,
  selected: null,
  asked: null,
  call: null,
  interrupted: null,
  closing: new Map(),
};

export type Event =
  | { type: "centre"; message: ToPage; at_ms: number }
  | { type: "link_lost"; at_ms: number }
  | { type: "duty"; on: boolean }
  | { type: "select"; incident: string | null }
  | { type: "answer"; incident: string }
  | { type: "close"; incident: string; verdict: Verdict; note: string }
  | { type: "signed_out" };

export interface Step {
  state: State;
  send: FromPage[];
}

/** Closed incidents remembered from messages; older ones are asked for over HTTP. */
const CLOSED_KEPT = 60;
/** A call broken off for longer than this is not answered again without the officer. */
const RESUME_WITHIN_MS = 30_000;

export function step(state: State, event: Event): Step {
  switch (event.type) {
    case "centre":
      return said(state, event.message, event.at_ms);
    case "link_lost": {
      if (state.link === "lost") return quiet(state);
      const interrupted = state.call === null ? null : { incident: state.call, at_ms: event.at_ms };
      return quiet({ ...state, link: "lost", lost_at_ms: event.at_ms, asked: null, interrupted });
    }
    case "duty":
      return { state: { ...state, duty: event.on }, send: [{ type: "duty", on: event.on }] };
    case "select":
      return select(state, event.incident);
    case "answer":
      return {
        state: { ...state, selected: event.incident, asked: event.incident },
        send: [{ type: "answer", incident: event.incident }],
      };
    case "close": {
      const closing = new Map(state.closing).set(event.incident, event);
      return { state: { ...state, closing }, send: [event] };
    }
    case "signed_out":
      return quiet(initial);
  }
}

function quiet(state: State): Step {
  return { state, send: [] };
}

function said(state: State, message: ToPage, at_ms: number): Step {
  switch (message.type) {
    case "hello":
      return hello(state, message, at_ms);
    case "incident":
      return incident(state, message.incident);
    case "kiosk": {
      const kiosks = new Map(state.kiosks).set(message.kiosk.id, message.kiosk);
      return quiet({ ...state, kiosks });
    }
    case "on_duty":
      return quiet({ ...state, on_duty: message.officers });
    case "archive":
      return quiet({ ...state, archive_full: message.full });
    case "watching":
      return quiet(watching(state, message.incident));
    case "refused":
      return quiet(refused(state, message.request));
    case "answer":
    case "reoffer":
    case "pong":
      return quiet(state);
  }
}

function hello(state: State, message: Extract<ToPage, { type: "hello" }>, at_ms: number): Step {
  const incidents = new Map(message.incidents.map((view) => [view.id, view]));
  const next: State = {
    ...state,
    officer: message.officer,
    instance: message.instance,
    link: "up",
    lost_at_ms: null,
    on_duty: message.on_duty,
    archive_full: message.archive_full,
    incidents: trimmed(incidents),
    kiosks: new Map(message.kiosks.map((view) => [view.id, view])),
    watching: null,
    asked: null,
    interrupted: null,
  };
  const send: FromPage[] = state.duty ? [{ type: "duty", on: true }] : [];
  const before = state.interrupted;
  const broken = before === null ? undefined : incidents.get(before.incident);
  next.closing = unconfirmed(state.closing, incidents);
  if (broken?.standing === "answered" && broken.owner === message.officer && state.duty) {
    // Still ours at the centre, and this page's: asking again binds it to this connection.
    next.asked = broken.id;
    next.selected = broken.id;
    send.push({ type: "answer", incident: broken.id });
  } else if (broken?.standing === "waiting" && before !== null && at_ms - before.at_ms <= RESUME_WITHIN_MS) {
    // It went back to waiting while we were away, and nobody has taken it: the person is still there.
    next.asked = broken.id;
    next.selected = broken.id;
    send.push({ type: "answer", incident: broken.id });
  } else if (state.duty && !isWaiting(next, next.selected)) {
    next.selected = oldestWaiting(next) ?? next.selected;
  }
  // After the answer: what is closed must be ours first.
  send.push(...next.closing.values());
  return { state: withCall(next), send };
}

/** Those of the closes that still have something to close. */
function unconfirmed(closing: State["closing"], incidents: State["incidents"]): State["closing"] {
  const left = [...closing].filter(([id]) => incidents.has(id) && incidents.get(id)?.standing !== "closed");
  return new Map(left);
}

function refused(state: State, request: string): State {
  if (request === "answer") return { ...state, asked: null };
  // Which close it was is not said; each that is left can be asked for anew by the officer.
  return request === "close" ? { ...state, closing: new Map() } : state;
}

function incident(state: State, view: IncidentView): Step {
  const before = state.incidents.get(view.id);
  const incidents = trimmed(new Map(state.incidents).set(view.id, view));
  let next: State = { ...state, incidents };
  if (state.asked === view.id && view.standing === "answered" && view.owner !== state.officer) next.asked = null;
  if (view.standing === "closed" && state.asked === view.id) next.asked = null;
  if (state.closing.has(view.id)) next.closing = unconfirmed(state.closing, incidents);
  next = withCall(next);
  const send: FromPage[] = [];
  const idle = state.duty && next.call === null && next.asked === null;
  const rings = view.standing === "waiting" && before?.standing !== "waiting";
  if (rings && idle && !isWaiting(state, state.selected)) {
    next.selected = view.id;
    // An idle page is given the picture by the centre itself; one that shows something else must ask.
    if (state.watching !== null && state.watching !== view.id) send.push({ type: "watch", incident: view.id });
  }
  const taken = view.standing === "answered" && before?.standing === "waiting" && view.owner !== state.officer;
  if (taken && idle && state.selected === view.id) {
    // Another officer has it: what still rings comes on the stage.
    const rest = oldestWaiting(next);
    next.selected = rest ?? view.id;
    if (rest !== null) send.push({ type: "watch", incident: rest });
  }
  if (view.standing === "closed" && before?.standing !== "closed" && state.selected === view.id) {
    next.selected = (state.duty ? oldestWaiting(next) : null) ?? view.id;
  }
  return { state: next, send };
}

function watching(state: State, id: string | null): State {
  // The picture has gone to another incident or another page of ours, and with it the call.
  const gone = state.call !== null && state.call !== id && state.call !== state.asked;
  const next = { ...state, watching: id, call: gone ? null : state.call };
  const shown = state.selected === null ? undefined : state.incidents.get(state.selected);
  const free = shown === undefined || shown.standing === "closed";
  if (id !== null && free && state.incidents.has(id)) next.selected = id;
  const carried = withCall(next);
  // A call that comes to this page by the centre's word is looked at, whatever was on the stage.
  return carried.call !== null && carried.call !== state.call ? { ...carried, selected: carried.call } : carried;
}

function select(state: State, id: string | null): Step {
  const view = id === null ? undefined : state.incidents.get(id);
  const asks =
    state.duty && view !== undefined && view.standing !== "closed" && state.call === null && state.watching !== id;
  return { state: { ...state, selected: id }, send: asks ? [{ type: "watch", incident: id }] : [] };
}

/** The call follows from what the centre said: answered, ours, and carried by (or asked for on) this page. */
function withCall(state: State): State {
  let call: string | null = null;
  for (const view of state.incidents.values()) {
    if (view.standing !== "answered" || view.owner !== state.officer) continue;
    if (state.watching === view.id || state.asked === view.id || state.call === view.id) call = view.id;
  }
  const asked = call !== null && call === state.asked && state.watching === call ? null : state.asked;
  return call === state.call && asked === state.asked ? state : { ...state, call, asked };
}

function isWaiting(state: State, id: string | null): boolean {
  return id !== null && state.incidents.get(id)?.standing === "waiting";
}

function trimmed(incidents: Map<string, IncidentView>): Map<string, IncidentView> {
  const closed = [...incidents.values()].filter((view) => view.standing === "closed");
  if (closed.length > CLOSED_KEPT) {
    closed.sort((a, b) => b.pressed_wall_us - a.pressed_wall_us);
    for (const view of closed.slice(CLOSED_KEPT)) incidents.delete(view.id);
  }
  return incidents;
}

const RANK = { waiting: 0, answered: 1, on_hold: 1, closed: 2 } as const;

/** Open incidents as the list shows them: waiting before the rest, the longest wait first. */
export function openIncidents(incidents: State["incidents"]): IncidentView[] {
  return [...incidents.values()]
    .filter((view) => view.standing !== "closed")
    .sort((a, b) => RANK[a.standing] - RANK[b.standing] || a.pressed_wall_us - b.pressed_wall_us);
}

export function oldestWaiting(state: State): string | null {
  const first = openIncidents(state.incidents)[0];
  return first?.standing === "waiting" ? first.id : null;
}

/** Whether Answer would do something: it waits, it is on hold, or it is ours but not on this page. */
export function canAnswer(state: State, view: IncidentView): boolean {
  if (!state.duty || state.call === view.id || state.asked === view.id) return false;
  if (view.standing === "waiting" || view.standing === "on_hold") return true;
  return view.standing === "answered" && view.owner === state.officer;
}

export function canClose(state: State, view: IncidentView): boolean {
  if (view.standing === "closed") return false;
  return view.standing === "waiting" ? state.duty : view.owner === state.officer;
}

/** What may be switched at the kiosk of an incident of ours: nothing while we do not have it. */
export function outputs(state: State, view: IncidentView): OutputState[] {
  const ours = view.standing === "answered" || view.standing === "on_hold";
  if (!ours || view.owner !== state.officer) return [];
  return state.kiosks.get(view.kiosk)?.outputs ?? [];
}

export type Condition = "dead" | "faulty" | "no_leg" | "ready";

/** What a kiosk's last proofs say, worst first. */
export function condition(kiosk: KioskView): Condition {
  if (!kiosk.alive) return "dead";
  if (kiosk.faults.length > 0) return "faulty";
  return kiosk.leg_up ? "ready" : "no_leg";
}

const WORST: Record<Condition, number> = { dead: 0, faulty: 1, no_leg: 2, ready: 3 };

/** By name as people count: №3 before №12. */
const BY_NAME = new Intl.Collator(undefined, { numeric: true });

export function kiosksWorstFirst(kiosks: Iterable<KioskView>): KioskView[] {
  return [...kiosks].sort(
    (a, b) => WORST[condition(a)] - WORST[condition(b)] || BY_NAME.compare(a.place.name || a.id, b.place.name || b.id),
  );
}
