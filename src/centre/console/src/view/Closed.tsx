// A closed incident: what it was, who did what, the recording to take away.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import * as api from "../api";
import { t, timeOfDay } from "../i18n";
import type { IncidentView, JournalEntry } from "../wire";
import { Evidence } from "./Evidence";

export function Closed({ view }: { view: IncidentView }) {
  const journal = useSignal<JournalEntry[]>([]);
  const words = t().history;
  useEffect(() => {
    const leaving = new AbortController();
    api
      .incident(view.id, leaving.signal)
      .then((detail) => (journal.value = detail.journal))
      .catch(() => undefined); // The journal is an extra here; what matters is on the page already.
    return () => leaving.abort();
  }, [view.id, view.closed_wall_us]);
  return (
    <div class="closed">
      <div class={`outcome outcome-${view.verdict ?? "none"}`}>
        <span class="dim">{words.verdict}</span>
        <b>{view.verdict === null ? words.no_verdict : t().verdict[view.verdict]}</b>
        {view.note !== "" && <p>{view.note}</p>}
      </div>
      {view.recording.fragments > 0 && (
        <a class="act download" data-testid="download" href={api.recordingUrl(view.id)} download={`${view.id}.mp4`}>
          <span aria-hidden="true">↓</span> {t().player.download}
          {!view.recording.complete && <small>{t().player.incomplete}</small>}
        </a>
      )}
      <Evidence view={view} />
      {view.recording.fragments > 0 && (
        <a class="act download" data-testid="export" href={api.exportUrl(view.id)} download={`incident-${view.id}.zip`}>
          <span aria-hidden="true">↓</span> {t().evidence.export}
        </a>
      )}
      <h3>{words.journal}</h3>
      <ol class="journal">
        {journal.value.map((entry, index) => (
          <li key={index}>
            <time class="mono">{timeOfDay(entry.at_us)}</time>
            <b>{entry.who}</b>
            <span>{entry.what}</span>
          </li>
        ))}
      </ol>
    </div>
  );
}
