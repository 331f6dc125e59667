// The instants of a call as rows for people: milliseconds since the button's edge.

import { MARKS, type Mark } from "./wire";

export interface TimingRow {
  mark: Mark;
  /** Milliseconds since the edge; null while it has not happened. */
  since_edge_ms: number | null;
  /** Milliseconds since Answer, for what follows from it. */
  since_answer_ms: number | null;
}

const AFTER_ANSWER: readonly Mark[] = ["connected", "first_sound_up", "first_sound_down"];

/** Every mark in its expected order. Without an edge nothing can be counted and all are null. */
export function timingRows(timing: Partial<Record<Mark, number>>): TimingRow[] {
  const edge = timing.edge;
  const answered = timing.answered;
  return MARKS.map((mark) => {
    const at = timing[mark];
    const since_edge_ms = edge !== undefined && at !== undefined ? (at - edge) / 1000 : null;
    const since_answer_ms =
      AFTER_ANSWER.includes(mark) && answered !== undefined && at !== undefined ? (at - answered) / 1000 : null;
    return { mark, since_edge_ms, since_answer_ms };
  });
}

/** Where a time lies on a logarithmic axis from 1 ms to `most_ms`, 0 to 1. */
export function logPosition(ms: number, most_ms: number): number {
  const most = Math.log10(Math.max(10, most_ms));
  return Math.min(1, Math.max(0, Math.log10(Math.max(1, ms)) / most));
}

export interface Units {
  ms: string;
  s: string;
  min: string;
}

/** Milliseconds for people: "4.2 ms" below ten, "123 ms" below ten seconds, "12.3 s", "3:05". */
export function formatMs(ms: number, unit: Units): string {
  const sign = ms < 0 ? "−" : "";
  const abs = Math.abs(ms);
  if (abs < 9.95) return `${sign}${abs.toFixed(1)} ${unit.ms}`;
  if (abs < 9_999.5) return `${sign}${Math.round(abs)} ${unit.ms}`;
  if (abs < 99_950) return `${sign}${(abs / 1000).toFixed(1)} ${unit.s}`;
  return sign + formatClock(abs / 1000);
}

/** Seconds as "3:05" or "1:02:05", negative before the press. */
export function formatClock(seconds: number): string {
  const whole = Math.floor(Math.abs(seconds));
  const sign = seconds < 0 && whole > 0 ? "−" : "";
  const two = (n: number) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return sign + (h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`);
}
