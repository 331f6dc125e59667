// Which language the page speaks, and the few sentences made of parts.

import { computed, effect, signal } from "@preact/signals";
import { en } from "./en";
import { kk } from "./kk";
import { ru } from "./ru";
import type { Strings } from "./strings";

export const LANGUAGES = ["kk", "ru", "en"] as const;
export type Language = (typeof LANGUAGES)[number];

const STRINGS: Record<Language, Strings> = { kk, ru, en };
const REMEMBERED = "sos.language";

function isLanguage(text: string | null): text is Language {
  return text !== null && (LANGUAGES as readonly string[]).includes(text);
}

/** The first language of `wanted` (as in navigator.languages) the page speaks; Russian, which most read, if none. */
export function choose(remembered: string | null, wanted: readonly string[]): Language {
  if (isLanguage(remembered)) return remembered;
  for (const tag of wanted) {
    const language = tag.slice(0, 2).toLowerCase();
    if (isLanguage(language)) return language;
  }
  return "ru";
}

function remembered(): string | null {
  try {
    return localStorage.getItem(REMEMBERED);
  } catch {
    return null; // Storage may be forbidden; the page works without it.
  }
}

export const language = signal<Language>(choose(remembered(), navigator.languages));

export const strings = computed(() => STRINGS[language.value]);

/** The present language's sentences. Read in a view, it is drawn again when the language changes. */
export function t(): Strings {
  return strings.value;
}

export function nextLanguage(): void {
  const next = LANGUAGES[(LANGUAGES.indexOf(language.peek()) + 1) % LANGUAGES.length] ?? "ru";
  language.value = next;
  try {
    localStorage.setItem(REMEMBERED, next);
  } catch {
    // Not remembered, then.
  }
}

effect(() => {
  document.documentElement.lang = language.value;
});

/** What the officer is told when the centre did not do as asked; `why` is the centre's own sentence. */
export function refusal(request: string, why: string): string {
  const titles: Record<string, string> = strings.peek().refused;
  return `${titles[request] ?? request}: ${why}`;
}

/** How long ago, in one unit. */
export function age(seconds: number): string {
  const unit = t().unit;
  const s = Math.max(0, Math.floor(seconds));
  if (s < 100) return `${s} ${unit.s}`;
  if (s < 100 * 60) return `${Math.floor(s / 60)} ${unit.min}`;
  if (s < 48 * 3600) return `${Math.floor(s / 3600)} ${unit.h}`;
  return `${Math.floor(s / 86_400)} ${unit.d}`;
}

const two = (n: number) => String(n).padStart(2, "0");

/** Local time of day, 24 h. */
export function timeOfDay(wall_us: number): string {
  const at = new Date(wall_us / 1000);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** Local date, day first. */
export function date(wall_us: number): string {
  const at = new Date(wall_us / 1000);
  return `${two(at.getDate())}.${two(at.getMonth() + 1)}.${at.getFullYear()}`;
}
