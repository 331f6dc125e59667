// The instants of the call, in milliseconds since the button's edge, on an axis that shows 5 ms and 5 min alike.

import { t } from "../i18n";
import { formatMs, logPosition, timingRows, type Units } from "../timing";
import type { IncidentView } from "../wire";

const TICKS_MS = [1, 10, 100, 1_000, 10_000, 60_000, 600_000];

function tickText(ms: number, unit: Units): string {
  if (ms < 1_000) return `${ms} ${unit.ms}`;
  return ms < 60_000 ? `${ms / 1_000} ${unit.s}` : `${ms / 60_000} ${unit.min}`;
}

export function Timing({ view }: { view: IncidentView }) {
  const words = t().timing;
  const unit = t().unit;
  const rows = timingRows(view.timing);
  const most = Math.max(1_000, ...rows.map((row) => row.since_edge_ms ?? 0)) * 1.3;
  const left = (ms: number) => ({ left: `${(100 * logPosition(ms, most)).toFixed(2)}%` });
  return (
    <section class="timing" data-testid="timing-table" aria-label={words.title}>
      <div class="axis" aria-hidden="true">
        {TICKS_MS.filter((ms) => ms < most).map((ms) => (
          <span key={ms} class="axis-tick" style={left(ms)}>
            {tickText(ms, unit)}
          </span>
        ))}
        {rows.map(
          ({ mark, since_edge_ms: ms }) =>
            ms !== null && mark !== "edge" && <i key={mark} class={`axis-dot dot-${mark}`} style={left(ms)} />,
        )}
      </div>
      <dl>
        {rows.map(({ mark, since_edge_ms: ms, since_answer_ms: after }) => (
          <div key={mark} class={`mark ${ms === null ? "mark-none" : ""}`} data-mark={mark} data-ms={ms ?? ""}>
            <dt>
              <i class={`dot dot-${mark}`} aria-hidden="true" />
              {words.mark[mark]}
            </dt>
            <dd class="mono">
              {ms === null ? "–" : mark === "edge" ? `0 ${unit.ms}` : formatMs(ms, unit)}
              {after !== null && (
                <small title={words.after_answer} data-after-answer-ms={after}>
                  +{Math.round(after)}
                </small>
              )}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
