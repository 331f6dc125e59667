// No incident on the stage: how the kiosks are, and what has been.

import { t } from "../i18n";
import * as store from "../store";
import { condition, kiosksWorstFirst } from "../state";
import { History } from "./History";
import { Shape } from "./icons";
import { Seen } from "./Rail";

export function Idle() {
  return (
    <section class="cover idle">
      <Overview />
      <History />
    </section>
  );
}

function Overview() {
  const all = kiosksWorstFirst(store.kiosks.value.values());
  const amiss = all.filter((kiosk) => condition(kiosk) !== "ready");
  const open = store.open.value.length;
  const words = t().kiosks;
  const ready = all.length - amiss.length;
  const summary = all.length === 0 ? words.none : amiss.length === 0 ? words.all_ready : words.ready(ready, all.length);
  return (
    <div class="overview">
      <div class="quiet-sign">
        <Ring ready={ready} all={all.length} />
        <div>
          <h1>{open === 0 ? t().idle.title : t().idle.alarms(open)}</h1>
          <p>{summary}</p>
          {all.length > 0 && (
            <p data-testid="proved-of">
              {words.proved_of(all.filter((kiosk) => kiosk.proved).length, all.length)}
            </p>
          )}
        </div>
      </div>
      {amiss.length > 0 && <h2>{words.attention}</h2>}
      <div class="amiss">
        {amiss.map((kiosk) => {
          const how = condition(kiosk);
          return (
            <article key={kiosk.id} class={`amiss-one kiosk-${how}`}>
              <Shape name={how} size={40} />
              <div>
                <b class="amiss-how">{words.condition[how]}</b>
                <h3>{kiosk.place.name || kiosk.id}</h3>
                {how === "dead" && (
                  <p>
                    <Seen kiosk={kiosk} />
                  </p>
                )}
                {kiosk.faults.map((fault) => (
                  <p key={fault.kind}>
                    {words.fault[fault.kind]}
                    {fault.detail !== "" && <small>{fault.detail}</small>}
                  </p>
                ))}
                {how === "no_leg" && <p>{words.fault.leg_down}</p>}
              </div>
            </article>
          );
        })}
      </div>
    </div>
  );
}

/** How many kiosks would work now, as a ring; each a part of it while they are few. */
function Ring({ ready, all }: { ready: number; all: number }) {
  const around = 2 * Math.PI * 52;
  const part = all === 0 ? 0 : ready / all;
  return (
    <svg class="ready-ring" viewBox="0 0 120 120" aria-hidden="true">
      <circle cx="60" cy="60" r="52" class="ring-back" />
      <circle cx="60" cy="60" r="52" class="ring-part" stroke-dasharray={`${part * around} ${around}`} />
      <text x="60" y="62" class="ring-ready">
        {ready}
      </text>
      <text x="60" y="84" class="ring-all">
        / {all}
      </text>
    </svg>
  );
}
