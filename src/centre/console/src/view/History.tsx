// Closed incidents, newest first; older ones are asked for.

import { useComputed, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import * as api from "../api";
import { date, t, timeOfDay } from "../i18n";
import { selectClosed } from "../officer";
import * as store from "../store";
import { formatClock } from "../timing";
import type { IncidentView } from "../wire";

export function History() {
  const fetched = useSignal<IncidentView[]>([]);
  const more = useSignal(false);
  const failed = useSignal(false);
  const words = t().history;

  async function fetchOlder(before?: number): Promise<void> {
    try {
      const page = await api.incidents(before);
      fetched.value = before === undefined ? page : [...fetched.value, ...page];
      more.value = page.length >= api.HISTORY_PAGE;
      failed.value = false;
    } catch {
      failed.value = true;
    }
  }
  // Asked again when the centre is back: what happened meanwhile is in the history.
  useEffect(() => {
    if (store.linkState.value === "up") void fetchOlder();
  }, [store.linkState.value]);

  const rows = useComputed(() => {
    const all = new Map(fetched.value.map((view) => [view.id, view]));
    for (const view of store.incidents.value.values()) all.set(view.id, view);
    return [...all.values()]
      .filter((view) => view.standing === "closed")
      .sort((a, b) => b.pressed_wall_us - a.pressed_wall_us);
  });
  return (
    <div class="history" data-testid="history">
      <h2>{words.title}</h2>
      {failed.value && <p class="rail-none">{words.failed}</p>}
      {!failed.value && rows.value.length === 0 && <p class="rail-none">{words.none}</p>}
      <div class="history-rows">
        {rows.value.map((view) => (
          <Row key={view.id} view={view} />
        ))}
        {more.value && (
          <button class="act" onClick={() => void fetchOlder(fetched.value.at(-1)?.pressed_wall_us)}>
            {words.more}
          </button>
        )}
      </div>
    </div>
  );
}

function Row({ view }: { view: IncidentView }) {
  const length = ((view.closed_wall_us ?? view.pressed_wall_us) - view.pressed_wall_us) / 1e6;
  return (
    <button class="past" data-testid="history-row" data-id={view.id} onClick={() => selectClosed(view)}>
      <span class="mono past-when">
        {timeOfDay(view.pressed_wall_us)}
        <small>{date(view.pressed_wall_us)}</small>
      </span>
      <span class="past-place">
        {view.place.name || view.kiosk}
        <small>{view.owner}</small>
      </span>
      <span class={`past-verdict outcome-${view.verdict ?? "none"}`}>
        {view.verdict === null ? t().history.no_verdict : t().verdict[view.verdict]}
      </span>
      <span class="mono past-length">{formatClock(length)}</span>
      <span class="past-play">{view.recording.fragments > 0 ? "▶" : ""}</span>
    </button>
  );
}
