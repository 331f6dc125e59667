// The stage: one incident, seen from two metres.

import { date, t, timeOfDay } from "../i18n";
import { rehearsal } from "../rehearsal";
import * as store from "../store";
import type { IncidentView } from "../wire";
import { Actions } from "./Actions";
import { Closed } from "./Closed";
import { Elapsed } from "./Elapsed";
import { Evidence } from "./Evidence";
import { Shape, type ShapeName } from "./icons";
import { Picture } from "./Picture";
import { BeforePress, Playback } from "./Player";
import { incidentShape } from "./Rail";
import { Timing } from "./Timing";

export function Stage() {
  const view = store.staged.value ?? rehearsal.value;
  const over = view?.standing === "closed";
  return (
    <section class="stage" data-testid="stage" data-id={view?.id} data-standing={view?.standing}>
      {view !== null && <Band view={view} />}
      <div class="stage-left">
        <div class="screen">
          <Picture />
          {over && <Playback key={view.id} view={view} />}
        </div>
        {view !== null && <Timing view={view} />}
      </div>
      <div class="stage-right">
        {view !== null && !over && <Actions view={view} />}
        {view !== null && !over && <BeforePress key={view.id} view={view} />}
        {view !== null && !over && <Evidence view={view} />}
        {over && <Closed key={view.id} view={view} />}
      </div>
    </section>
  );
}

function bigWord(view: IncidentView, shape: ShapeName): string {
  const words = t();
  if (shape === "talking") return words.talking;
  if (shape === "alarm") return words.alarm;
  if (shape === "other") return words.other_talks;
  return words.standing[view.standing];
}

function Band({ view }: { view: IncidentView }) {
  const shape = incidentShape(view, store.call.value);
  const words = t().incident;
  const over = view.standing === "closed";
  return (
    <header class={`band band-${shape}`} data-testid="band" role={shape === "alarm" ? "alert" : undefined}>
      <div class="band-state">
        <Shape name={shape} size="3.1rem" />
        <span>{bigWord(view, shape)}</span>
      </div>
      <div class="band-place">
        <h1>{view.place.name || view.kiosk}</h1>
        <p>
          <span class="mono">{view.kiosk}</span>
          <span>
            {words.pressed_at}{" "}
            <b class="mono">
              {over && `${date(view.pressed_wall_us)} `}
              {timeOfDay(view.pressed_wall_us)}
            </b>
          </span>
          {view.presses > 1 && <b class="presses">{words.presses(view.presses)}</b>}
          {view.kiosk_closed && !over && (
            <b class="presses" data-testid="kiosk-ended">
              {words.kiosk_ended}
            </b>
          )}
          {view.origin === "second_button" && <span>{words.by_second}</span>}
          {view.origin === "control" && <span>{words.by_control}</span>}
          {view.owner !== null && (
            <span>
              {words.owner}: <b>{view.owner}</b>
            </span>
          )}
          {view.place.position_e6 && (
            <span class="mono">{view.place.position_e6.map((e6) => (e6 / 1e6).toFixed(5)).join(", ")}</span>
          )}
        </p>
      </div>
      <div class="band-time">
        <Elapsed class="mono" view={view} />
        <span>{over ? words.length : words.since_press}</span>
      </div>
    </header>
  );
}
