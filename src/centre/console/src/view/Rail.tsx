// The rail on the left: open incidents, and every kiosk with the dead ones on top.

import { age, t } from "../i18n";
import { select } from "../officer";
import * as store from "../store";
import { condition, kiosksWorstFirst } from "../state";
import type { IncidentView, KioskView, Vitals } from "../wire";
import { Elapsed } from "./Elapsed";
import { Shape, type ShapeName } from "./icons";

export function Rail() {
  return (
    <nav class="rail">
      <Incidents />
      <Kiosks />
    </nav>
  );
}

/** The shape of an incident as this officer sees it. */
export function incidentShape(view: IncidentView, call: string | null): ShapeName {
  if (view.standing === "answered") return view.id === call ? "talking" : "other";
  return ({ waiting: "alarm", on_hold: "hold", closed: "closed" } as const)[view.standing];
}

function Incidents() {
  const open = store.open.value;
  return (
    <section class="rail-incidents">
      <h2>{t().incident.list}</h2>
      {open.length === 0 && <p class="rail-none">{t().incident.none}</p>}
      <div class="cards">
        {open.map((view) => (
          <Card key={view.id} view={view} />
        ))}
      </div>
    </section>
  );
}

function Card({ view }: { view: IncidentView }) {
  const shape = incidentShape(view, store.call.value);
  const word = shape === "other" ? t().other_talks : t().standing[view.standing];
  return (
    <button
      class={`card card-${shape}`}
      data-testid="incident-card"
      data-id={view.id}
      data-standing={view.standing}
      aria-current={store.selected.value === view.id}
      onClick={() => select(view.id)}
    >
      <Shape name={shape} size={26} />
      <span class="card-word">{word}</span>
      <Elapsed class="card-time mono" view={view} />
      <span class="card-place">{view.place.name || view.kiosk}</span>
      {view.owner !== null && <span class="card-owner">{view.owner}</span>}
    </button>
  );
}

function Kiosks() {
  const all = kiosksWorstFirst(store.kiosks.value.values());
  const words = t().kiosks;
  const ready = all.filter((kiosk) => condition(kiosk) === "ready").length;
  return (
    <section class="rail-kiosks">
      <h2>
        {words.title}
        <span class="mono">
          {ready}/{all.length}
        </span>
      </h2>
      {all.length === 0 && <p class="rail-none">{words.none}</p>}
      <div class="kiosk-list">
        {all.map((kiosk) => (
          <KioskRow key={kiosk.id} kiosk={kiosk} />
        ))}
      </div>
    </section>
  );
}

/** Drawn again only when this kiosk or the language has changed (signals see to it): there may be hundreds. */
function KioskRow({ kiosk }: { kiosk: KioskView }) {
  const words = t().kiosks;
  const how = condition(kiosk);
  const faults = kiosk.faults.map((fault) => words.fault[fault.kind]).join(", ");
  return (
    <div
      class={`kiosk kiosk-${how}`}
      data-testid="kiosk-row"
      data-id={kiosk.id}
      data-alive={String(kiosk.alive)}
      data-leg={String(kiosk.leg_up)}
      data-proved={String(kiosk.proved)}
      title={[`${kiosk.id} · ${kiosk.version}`, ...board(kiosk.board), ...kiosk.faults.map((fault) => fault.detail)].join("\n")}
    >
      <Shape name={how} size={18} />
      <span class="kiosk-name">{kiosk.place.name || kiosk.id}</span>
      <span class="kiosk-how">{words.condition[how]}</span>
      {how !== "ready" && (
        <span class="kiosk-why">
          {how === "dead" ? <Seen kiosk={kiosk} /> : faults || words.fault.leg_down}
        </span>
      )}
      {how !== "dead" && (
        <span class={`kiosk-proof${kiosk.proved ? "" : " kiosk-unproved"}`} data-testid="kiosk-proof">
          <Proof kiosk={kiosk} />
        </span>
      )}
    </div>
  );
}

/** What a kiosk says of its board, in a line or none. */
function board(vitals: Vitals): string[] {
  const words = t().kiosks.board;
  const said: string[] = [];
  if (vitals.certificate_days !== undefined) said.push(words.certificate(vitals.certificate_days));
  if (vitals.disk_free_mb !== undefined) said.push(words.disk((vitals.disk_free_mb / 1000).toFixed(1)));
  if (vitals.temperature_c !== undefined) said.push(words.degrees(vitals.temperature_c.toFixed(0)));
  if (vitals.store_writable === false) said.push(words.read_only);
  if (vitals.clock_synced === false) said.push(words.clock_unset);
  return said.length === 0 ? [] : [said.join(" · ")];
}

/** What the last full self-test says, and how old it is. */
function Proof({ kiosk }: { kiosk: KioskView }) {
  store.tick.value;
  const words = t().kiosks;
  if (kiosk.testing) return <>{words.testing}</>;
  const last = kiosk.last_test;
  if (last === null) return <>{words.not_proved}</>;
  const ago = age(Math.max(0, store.centreNowUs() - last.ended_wall_us) / 1e6);
  if (kiosk.proved) return <>{words.proved(ago)}</>;
  return <>{last.good ? words.not_proved : words.test_failed(ago)}</>;
}

/** Since when a kiosk is silent. */
export function Seen({ kiosk }: { kiosk: KioskView }) {
  store.tick.value;
  if (kiosk.seen_wall_us === null) return <>{t().kiosks.never_seen}</>;
  return <>{t().kiosks.seen(age((store.centreNowUs() - kiosk.seen_wall_us) / 1e6))}</>;
}
