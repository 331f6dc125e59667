// What the officer can do, whether by key or by button.

import { dialogue, dispatch, known, open, older, playing, send, staged, state, call, holdToTalk, muted, talking } from "./store";
import { canAnswer, canClose, oldestWaiting, outputs } from "./state";
import type { IncidentView, Output, Verdict } from "./wire";

/** What Answer would answer: what is on the stage, or, outside a call, what has waited longest. */
export function answerTarget(): IncidentView | null {
  const now = state.peek();
  const view = staged.peek();
  if (view !== null && canAnswer(now, view)) return view;
  if (now.call !== null) return null;
  const oldest = known(oldestWaiting(now));
  return oldest !== null && canAnswer(now, oldest) ? oldest : null;
}

export function answer(view: IncidentView | null = answerTarget()): void {
  if (view === null || !canAnswer(state.peek(), view)) return;
  if (playing.peek() !== view.id) playing.value = null;
  dispatch({ type: "answer", incident: view.id });
}

/** The call this page talks in, whatever is on the stage. */
export function hold(): void {
  const incident = call.peek();
  if (incident !== null) send({ type: "hold", incident });
}

/** What Close would close: what is on the stage if that is ours to close, or else the call. */
export function closeTarget(): IncidentView | null {
  const now = state.peek();
  for (const view of [staged.peek(), known(now.call)]) if (view !== null && canClose(now, view)) return view;
  return null;
}

export function askClose(): void {
  const view = closeTarget();
  if (view !== null) dialogue.value = { kind: "close", incident: view.id };
}

export function close(incident: string, verdict: Verdict, note: string): void {
  dispatch({ type: "close", incident, verdict, note });
  dialogue.value = { kind: "none" };
}

export function mute(): void {
  if (call.peek() !== null) muted.value = !muted.peek();
}

/** The other way round from how the kiosk says it is, in the incident on the stage or else in the call. */
export function turn(output: Output): void {
  const now = state.peek();
  for (const view of [staged.peek(), known(now.call)]) {
    if (view === null) continue;
    const is = outputs(now, view).find((one) => one.output === output);
    if (is !== undefined) return send({ type: "switch", incident: view.id, output, on: !is.on });
  }
}

/** Both ways at once, or one at a time. */
export function toggleHoldToTalk(): void {
  talking.value = false;
  if (call.peek() !== null) holdToTalk.value = !holdToTalk.peek();
}

/** The key is held, or let go. Says whether it means anything now. */
export function talk(on: boolean): boolean {
  if (call.peek() === null || !holdToTalk.peek()) return false;
  talking.value = on;
  return true;
}

export function select(id: string | null): void {
  if (playing.peek() !== null && playing.peek() !== id) playing.value = null;
  dispatch({ type: "select", incident: id });
}

/** An incident from the history, which the centre may not have sent by itself. */
export function selectClosed(view: IncidentView): void {
  if (!state.peek().incidents.has(view.id)) older.value = new Map(older.peek()).set(view.id, view);
  select(view.id);
}

export function step(by: 1 | -1): void {
  const list = open.peek();
  if (list.length === 0) return;
  const at = list.findIndex((view) => view.id === state.peek().selected);
  const to = at < 0 ? (by > 0 ? 0 : list.length - 1) : (at + by + list.length) % list.length;
  select(list[to]?.id ?? null);
}

export function togglePlayer(): void {
  const view = staged.peek();
  if (view === null || view.recording.fragments === 0) return;
  playing.value = playing.peek() === view.id ? null : view.id;
}

/** One step back: the dialogue, the player, the stage. A call stays on the stage. */
export function back(): void {
  if (dialogue.peek().kind !== "none") dialogue.value = { kind: "none" };
  else if (playing.peek() !== null) playing.value = null;
  else if (state.peek().selected !== call.peek() || call.peek() === null) select(call.peek());
}
