// Which fragment of a recording is where. Indices begin at 1; a fragment that never came leaves a hole.

import type { FragmentView, RecordingView } from "./wire";

/** The highest index there is: the list knows it, where there is none the count is taken for it. */
export function lastIndex(recording: RecordingView, list: readonly FragmentView[]): number {
  return list.reduce((most, { index }) => Math.max(most, index), recording.fragments);
}

/** The next index after one that is not there; null while nothing behind it is known. */
export function indexAfter(index: number, list: readonly FragmentView[]): number | null {
  const behind = list.map((fragment) => fragment.index).filter((other) => other > index);
  return behind.length === 0 ? null : Math.min(...behind);
}

/** The index of what is played at `wanted_s` from the recording's beginning; estimated where there is no list. */
export function indexAt(wanted_s: number, recording: RecordingView, list: readonly FragmentView[]): number {
  const media = list.filter((fragment) => fragment.index > 0);
  const first = media[0];
  const last = media.at(-1);
  const each_s = recording.duration_ms / 1000 / Math.max(1, recording.fragments);
  if (first === undefined || last === undefined) {
    return Math.min(recording.fragments, 1 + Math.max(0, Math.floor(wanted_s / each_s) - 1));
  }
  const start_s = (fragment: FragmentView) => (fragment.start_wall_us - first.start_wall_us) / 1e6;
  let found = first;
  for (const fragment of media) if (start_s(fragment) <= wanted_s) found = fragment;
  if (found !== last) return found.index;
  // The list may be older than the recording.
  const behind = Math.floor((wanted_s - start_s(last)) / each_s) - 1;
  return Math.min(lastIndex(recording, list), found.index + Math.max(0, behind));
}
