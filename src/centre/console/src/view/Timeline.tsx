// The player's timeline: the press is 0:00 and marked, and so is the close.

import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../i18n";
import { formatClock } from "../timing";

interface Props {
  video: RefObject<HTMLVideoElement>;
  /** Where the press is on the video's own timeline, seconds. */
  press_s: number;
  /** The recording's first and last instant, seconds from the press. */
  from: number;
  to: number;
  /** The close, seconds from the press. */
  closed: number | null;
}

export function Timeline({ video, press_s, from, to, closed }: Props) {
  const track = useRef<HTMLDivElement>(null);
  const head = useRef<HTMLSpanElement>(null);
  const done = useRef<HTMLSpanElement>(null);
  const label = useRef<HTMLTimeElement>(null);
  const words = t().player;
  const share = (seconds: number) => Math.min(1, Math.max(0, (seconds - from) / Math.max(0.1, to - from)));
  const left = (seconds: number) => ({ left: `${(100 * share(seconds)).toFixed(3)}%` });

  useEffect(() => {
    let frame = requestAnimationFrame(function draw() {
      const at = (video.current?.currentTime ?? 0) - press_s;
      if (head.current !== null) head.current.style.left = `${100 * share(at)}%`;
      if (done.current !== null) done.current.style.transform = `scaleX(${share(at)})`;
      const text = formatClock(at);
      if (label.current !== null && label.current.textContent !== text) {
        label.current.textContent = text;
        track.current?.setAttribute("aria-valuenow", String(Math.round(at)));
        track.current?.setAttribute("aria-valuetext", text);
      }
      frame = requestAnimationFrame(draw);
    });
    return () => cancelAnimationFrame(frame);
  }, [press_s, from, to]);

  function seek(event: PointerEvent): void {
    if (event.buttons !== 1 || track.current === null || video.current === null) return;
    const box = track.current.getBoundingClientRect();
    const part = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    track.current.setPointerCapture(event.pointerId);
    video.current.currentTime = press_s + from + part * (to - from);
  }

  return (
    <div class="timeline">
      <div
        class="timeline-track"
        ref={track}
        role="slider"
        tabIndex={0}
        aria-label={words.seek}
        aria-valuemin={Math.floor(from)}
        aria-valuemax={Math.ceil(to)}
        onPointerDown={seek}
        onPointerMove={seek}
      >
        <span class="timeline-before" style={{ width: `${100 * share(0)}%` }} />
        <span class="timeline-done" ref={done} />
        <i class="timeline-press" style={left(0)} title={words.press} />
        {closed !== null && closed <= to && <i class="timeline-close" style={left(closed)} title={words.closed} />}
        <span class="timeline-head" ref={head} />
      </div>
      <div class="timeline-labels mono">
        <span>{formatClock(from)}</span>
        <span class="timeline-zero" style={left(0)}>
          <b>0:00</b> {words.press}
        </span>
        {(closed === null || closed > to) && <span class="timeline-end">{formatClock(to)}</span>}
        {closed !== null && closed <= to && (
          <span class="timeline-shut" style={left(closed)}>
            {formatClock(closed)} {words.closed}
          </span>
        )}
        <time class="timeline-now" ref={label} />
      </div>
    </div>
  );
}
