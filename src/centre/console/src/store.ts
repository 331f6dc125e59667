// The one place where the page's state lives; views read the signals, everything else dispatches.

import { computed, signal } from "@preact/signals";
import { ClockOffset, wallUs } from "./clock";
import { initial, openIncidents, step, type Event, type State } from "./state";
import type { FromPage, IncidentView } from "./wire";

export const state = signal<State>(initial);

export type Session = { stage: "asking" } | { stage: "out" } | { stage: "in"; officer: string; role: string };
/** Whether somebody is signed in; the WebSocket exists only then. */
export const session = signal<Session>({ stage: "asking" });

let sender: (message: FromPage) => void = () => {};

/** Where what the state machine wants said goes. */
export function sendThrough(send: (message: FromPage) => void): void {
  sender = send;
}

export function send(message: FromPage): void {
  sender(message);
}

/** The state first, so that the page is painted with what is known; then what is to be said. */
export function dispatch(event: Event): void {
  const next = step(state.peek(), event);
  state.value = next.state;
  for (const message of next.send) sender(message);
}

// --- what views read -------------------------------------------------------------------------------

export const incidents = computed(() => state.value.incidents);
export const open = computed(() => openIncidents(incidents.value));
export const waiting = computed(() => open.value.filter((view) => view.standing === "waiting"));
export const kiosks = computed(() => state.value.kiosks);
export const duty = computed(() => state.value.duty);
export const call = computed(() => state.value.call);
export const selected = computed(() => state.value.selected);
export const watching = computed(() => state.value.watching);
export const linkState = computed(() => state.value.link);

/** A closed incident older than what the centre sends by itself, once opened from the history. */
export const older = signal<ReadonlyMap<string, IncidentView>>(new Map());

export function known(id: string | null): IncidentView | null {
  if (id === null) return null;
  return incidents.value.get(id) ?? older.value.get(id) ?? null;
}

/** The incident on the stage. */
export const staged = computed(() => known(selected.value));

// --- clocks ----------------------------------------------------------------------------------------

export const clock = new ClockOffset();

/** The centre's wall clock now, microseconds; the page's own until the centre has spoken. */
export function centreNowUs(): number {
  return wallUs() + (clock.best()?.offset_us ?? 0);
}

/** Counts up a few times a second: what shows a running time reads it. */
export const tick = signal(0);

// --- the page's own affairs ------------------------------------------------------------------------

export type Microphone = "off" | "asking" | "ready" | "refused" | "gone";
export type Sound = "off" | "running" | "blocked";
export type Media = "off" | "connecting" | "connected" | "lost";

export const microphone = signal<Microphone>("off");
export const sound = signal<Sound>("off");
export const media = signal<Media>("off");
/** The officer has silenced the microphone during the call. */
export const muted = signal(false);
/** Hold-to-talk: for a site that howls. The officer is heard only while the key is held, and hears nothing then. */
export const holdToTalk = signal(false);
/** In that mode: the key is held. */
export const talking = signal(false);

export type Dialogue = { kind: "none" } | { kind: "close"; incident: string } | { kind: "keys" };
export const dialogue = signal<Dialogue>({ kind: "none" });
/** The incident whose recording the player has open. */
export const playing = signal<string | null>(null);

export interface Notice {
  text: string;
  /** When it goes away by itself, page's monotonic clock, ms. */
  until_ms: number;
}
export const notice = signal<Notice | null>(null);

export function tell(text: string): void {
  notice.value = { text, until_ms: performance.now() + 6000 };
}

// Times that run are shown to the second; four ticks keep them within a quarter of it.
setInterval(() => {
  tick.value += 1;
  const shown = notice.peek();
  if (shown !== null && performance.now() > shown.until_ms) notice.value = null;
}, 250);
