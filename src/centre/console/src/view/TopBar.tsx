// The bar on top: on duty or not, whether everything the officer depends on works, the time.

import { language, LANGUAGES, nextLanguage, t, timeOfDay } from "../i18n";
import { en } from "../i18n/en";
import { kk } from "../i18n/kk";
import { ru } from "../i18n/ru";
import { offDuty, signOut } from "../shift";
import * as store from "../store";

export function TopBar() {
  return (
    <header class="topbar">
      <div class="brand" aria-label={t().product}>
        <span class="brand-ring" aria-hidden="true" />
        SOS
      </div>
      <DutyState />
      <Lines />
      <Officers />
      <Clock />
      <LanguageButton />
      <button class="quiet" onClick={() => (store.dialogue.value = { kind: "keys" })} title={t().keys.title}>
        ?
      </button>
      <Leave />
    </header>
  );
}

/** On duty is what the centre says, not what was clicked. */
function DutyState() {
  const { officer, on_duty, duty, link } = store.state.value;
  const on = duty && link === "up" && officer !== null && on_duty.includes(officer);
  return (
    <div
      class={`duty ${on ? "duty-on" : "duty-off"}`}
      data-testid="duty-state"
      data-on={String(on)}
      data-media={store.media.value}
      data-microphone={store.microphone.value}
      data-sound={store.sound.value}
    >
      <span class="duty-dot" aria-hidden="true" />
      {on ? t().duty.on : t().duty.off}
    </div>
  );
}

type Health = "good" | "busy" | "bad" | "off";

function Lines() {
  const words = t().line;
  if (!store.duty.value) return <div class="lines" />;
  const said: Record<Health, string> = { good: words.fine, busy: words.connecting, bad: words.broken, off: words.off };
  const line = (name: string, health: Health, text = said[health]) => (
    <div class={`line line-${health}`} title={`${name}: ${text}`}>
      <span class="line-mark" aria-hidden="true" />
      <span class="line-name">{name}</span>
      {health !== "good" && <b>{text}</b>}
    </div>
  );
  const centre: Health = store.linkState.value === "up" ? "good" : "bad";
  const media = { off: "off", connecting: "busy", connected: "good", lost: "bad" } as const;
  const microphone = { off: "off", asking: "busy", ready: "good", refused: "bad", gone: "bad" } as const;
  const sound = { off: "off", running: "good", blocked: "bad" } as const;
  return (
    <div class="lines">
      {line(words.centre, centre)}
      {line(words.media, media[store.media.value])}
      {line(
        words.microphone,
        microphone[store.microphone.value],
        store.microphone.value === "asking" ? words.asking : undefined,
      )}
      {line(words.sound, sound[store.sound.value])}
    </div>
  );
}

function Officers() {
  const { on_duty } = store.state.value;
  const text = on_duty.length === 0 ? t().duty.nobody : t().duty.officers(on_duty.length);
  return (
    <div class="officers" title={on_duty.join(", ")}>
      {text}
      <span class="officers-names">{on_duty.join(", ")}</span>
    </div>
  );
}

function Clock() {
  store.tick.value;
  return <time class="clock mono">{timeOfDay(store.centreNowUs())}</time>;
}

const CODES = { kk: kk.code, ru: ru.code, en: en.code };

export function LanguageButton() {
  return (
    <button class="languages" data-testid="lang" data-lang={language} title={t().keys.language} onClick={nextLanguage}>
      {LANGUAGES.map((one) => (
        <span key={one} class={one === language.value ? "here" : ""}>
          {CODES[one]}
        </span>
      ))}
    </button>
  );
}

function Leave() {
  const { officer } = store.state.value;
  const mine = store.open.value.some((view) => view.owner !== null && view.owner === officer);
  if (!store.duty.value) {
    return (
      <button class="quiet" data-testid="sign-out" onClick={() => void signOut()}>
        {t().duty.sign_out}
      </button>
    );
  }
  return (
    <button
      class="quiet"
      data-testid="go-off-duty"
      disabled={mine}
      title={mine ? t().duty.leave_refused : ""}
      onClick={offDuty}
    >
      {t().duty.leave}
    </button>
  );
}
