// The instants of the call, in milliseconds since the button's edge, on an axis that shows 5 ms and 5 min alike.

import { t } from "../i18n";
import { formatMs, logPosition, timingRows } from "../timing";
import type { IncidentView } from "../wire";

const TICKS_MS = [1, 10, 100, 1_000, 10_000, 60_000, 600_000];
const TICK_TEXT: Record<number, string> = { 1000: "1 s", 10000: "10 s", 60000: "1 min", 600000: "10 min" };

export function Timing({ view }: { view: IncidentView }) {
  const words = t().timing;
  const rows = timingRows(view.timing);
  const most = Math.max(1_000, ...rows.map((row) => row.since_edge_ms ?? 0)) * 1.3;
  const left = (ms: number) => ({ left: `${(100 * logPosition(ms, most)).toFixed(2)}%` });
  return (
    <section class="timing" data-testid="timing-table" aria-label={words.title}>
      <div class="axis" aria-hidden="true">
        {TICKS_MS.filter((ms) => ms < most).map((ms) => (
          <span key={ms} class="axis-tick" style={left(ms)}>
            {TICK_TEXT[ms] ?? `${ms} ms`}
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
              {ms === null ? "–" : mark === "edge" ? "0 ms" : formatMs(ms)}
              {after !== null && (
                <small title={words.after_answer} data-after-answer-ms={after}>
                  +{formatMs(after)}
                </small>
              )}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
