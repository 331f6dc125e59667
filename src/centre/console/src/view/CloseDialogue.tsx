// Closing an incident: what was it? One digit, perhaps a note, Enter.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../i18n";
import * as officer from "../officer";
import { canClose } from "../state";
import * as store from "../store";
import { VERDICTS, type Verdict } from "../wire";
import { Key } from "./icons";

/** Within the centre's 2,000 bytes in any of the three languages. */
const MOST_LETTERS = 900;

export function CloseDialogue({ incident }: { incident: string }) {
  const chosen = useSignal<Verdict | null>(null);
  const note = useSignal("");
  const box = useRef<HTMLDivElement>(null);
  const words = t().close;
  const view = store.known(incident);
  const possible = view !== null && canClose(store.state.value, view);

  useEffect(() => {
    box.current?.focus();
    // On the window: the keys work wherever a click has left the focus.
    window.addEventListener("keydown", key);
    return () => window.removeEventListener("keydown", key);
  }, []);
  useEffect(() => {
    // Closed or taken by another meanwhile: nothing is left to ask.
    if (!possible) officer.back();
  }, [possible]);

  function confirm(): void {
    if (chosen.value !== null) officer.close(incident, chosen.value, note.value.trim());
  }

  function key(event: KeyboardEvent): void {
    if (event.repeat) return;
    const writing = event.target instanceof HTMLInputElement;
    const digit = /^(?:Digit|Numpad)([1-5])$/.exec(event.code)?.[1];
    const onButton = event.target instanceof HTMLButtonElement && event.target.matches(":focus-visible");
    if (event.code === "Escape") officer.back();
    else if ((event.code === "Enter" || event.code === "NumpadEnter") && !onButton) confirm();
    else if (digit !== undefined && !writing) chosen.value = VERDICTS[Number(digit) - 1] ?? null;
    else return;
    event.preventDefault();
  }

  return (
    <div class="veil">
      <div class="dialogue" role="dialog" aria-modal="true" tabIndex={-1} ref={box} data-testid="close-dialogue">
        <header>
          <h2>{words.title}</h2>
          <p class="dim">{view?.place.name}</p>
        </header>
        <div class="verdicts" role="radiogroup" aria-label={words.title}>
          {VERDICTS.map((verdict, index) => (
            <button
              key={verdict}
              class={`verdict verdict-${verdict}`}
              role="radio"
              aria-checked={chosen.value === verdict}
              data-testid={`verdict-${verdict}`}
              onClick={() => {
                chosen.value = verdict;
                box.current?.focus();
              }}
            >
              <Key>{String(index + 1)}</Key>
              <b>{t().verdict[verdict]}</b>
              <span>{t().verdict_means[verdict]}</span>
            </button>
          ))}
        </div>
        <label class="note">
          <span>
            {words.note} <small class="dim">({words.note_hint})</small>
          </span>
          <input
            data-testid="verdict-note"
            maxLength={MOST_LETTERS}
            value={note}
            onInput={(event) => (note.value = event.currentTarget.value)}
          />
        </label>
        <footer>
          <button class="act" data-testid="verdict-cancel" onClick={officer.back}>
            {words.cancel}
            <Key>Esc</Key>
          </button>
          <button class="primary" data-testid="verdict-confirm" disabled={chosen.value === null} onClick={confirm}>
            {chosen.value === null ? words.choose : words.confirm}
            <Key>Enter</Key>
          </button>
        </footer>
      </div>
    </div>
  );
}
