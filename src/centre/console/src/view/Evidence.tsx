// What the kiosk's signatures prove of a recording: verified, being received, broken (and where), or not signed.

import { t } from "../i18n";
import type { IncidentView } from "../wire";

const MARK = { verified: "✓", receiving: "…", broken: "✕", unsigned: "–" } as const;

export function Evidence({ view }: { view: IncidentView }) {
  const { standing, fragment, why } = view.recording.evidence;
  const words = t().evidence;
  if (view.recording.fragments === 0) return null;
  return (
    <p
      class={`evidence evidence-${standing}`}
      data-testid="evidence"
      data-standing={standing}
      role={standing === "broken" ? "alert" : undefined}
    >
      <b aria-hidden="true">{MARK[standing]}</b>
      <span>
        {words.title}: {words.standing[standing]}
        {standing === "broken" && why !== undefined && (
          <small>
            {fragment === undefined ? words.end : words.fragment(fragment)}: {words.wrong[why]}
          </small>
        )}
      </span>
    </p>
  );
}
