// The time since the press; of a closed incident, the time from the press to the close.

import * as store from "../store";
import { formatClock } from "../timing";
import type { IncidentView } from "../wire";

export function Elapsed({ view, class: name }: { view: IncidentView; class: string }) {
  let until = view.closed_wall_us;
  if (until === null) {
    store.tick.value;
    until = store.centreNowUs();
  }
  return <time class={name}>{formatClock(Math.max(0, (until - view.pressed_wall_us) / 1e6))}</time>;
}
