// The keyboard. By place of the key, not by letter: the same on a Kazakh, a Russian and an English layout.

import { nextLanguage } from "./i18n";
import * as officer from "./officer";
import { dialogue, session, staged, talking } from "./store";

/** The player on the page, when there is one. */
export interface Playing {
  toggle(): void;
  seek(by_s: number): void;
}
let player: Playing | null = null;

export function playerIs(now: Playing | null): void {
  player = now;
}

const SEEK_S = 5;

function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement;
}

/** A button reached with Tab is pressed by Enter, as anywhere; one that was clicked is not. */
function onButton(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest("button, a") !== null && target.matches(":focus-visible");
}

function handle(event: KeyboardEvent): boolean {
  // The dialogue has its own keys.
  if (dialogue.peek().kind === "close") return false;
  switch (event.code) {
    case "F2":
      officer.answer();
      return true;
    case "Enter":
    case "NumpadEnter":
    case "Space":
      return confirm(event);
    case "KeyH":
      officer.hold();
      return true;
    case "KeyC":
      officer.askClose();
      return true;
    case "KeyM":
      officer.mute();
      return true;
    case "KeyS":
      officer.turn("strobe");
      return true;
    case "KeyR":
      officer.turn("relay");
      return true;
    case "KeyW":
      officer.turn("heater");
      return true;
    case "KeyT":
      officer.toggleHoldToTalk();
      return true;
    case "KeyP":
      officer.togglePlayer();
      return true;
    case "KeyL":
      nextLanguage();
      return true;
    case "Escape":
      officer.back();
      return true;
    case "ArrowUp":
      officer.step(-1);
      return true;
    case "ArrowDown":
      officer.step(1);
      return true;
    case "ArrowLeft":
    case "ArrowRight":
      return sideways(event.code === "ArrowRight" ? 1 : -1);
    case "Slash":
      dialogue.value = dialogue.peek().kind === "keys" ? { kind: "none" } : { kind: "keys" };
      return true;
    default:
      return event.key === "?" && help();
  }
}

function help(): boolean {
  dialogue.value = { kind: "keys" };
  return true;
}

/** Answer before anything else; with nothing to answer, Space pauses the player. */
function confirm(event: KeyboardEvent): boolean {
  if (onButton(event.target)) return false;
  if (dialogue.peek().kind === "keys") dialogue.value = { kind: "none" };
  if (event.code === "Space" && officer.talk(true)) return true;
  if (officer.answerTarget() !== null) officer.answer();
  else if (player !== null) player.toggle();
  else if (staged.peek()?.standing === "closed") officer.togglePlayer();
  else return false;
  return true;
}

function sideways(by: 1 | -1): boolean {
  if (player !== null) player.seek(by * SEEK_S);
  else officer.step(by);
  return true;
}

export function listenToKeys(): void {
  window.addEventListener("keydown", (event) => {
    // The held key repeats itself; it must not scroll the page meanwhile.
    if (event.code === "Space" && event.repeat && talking.peek()) return event.preventDefault();
    if (session.peek().stage !== "in" || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
    if (typing(event.target)) return;
    if (handle(event)) event.preventDefault();
  });
  window.addEventListener("keyup", (event) => {
    if (event.code === "Space") officer.talk(false);
  });
  // A key let go in another window is not seen here.
  window.addEventListener("blur", () => officer.talk(false));
  // A clicked button keeps the focus, and with it Enter: it is given back, so that Enter answers.
  window.addEventListener("pointerup", (event) => {
    const target = event.target instanceof Element ? event.target.closest("button") : null;
    if (target !== null) setTimeout(() => target.blur(), 0);
  });
}
