// The officer's shift: wires the link, the media connection, the sounds and the state together.
// Decisions are in `state.ts`; what is done about them is here.

import { computed, effect } from "@preact/signals";
import * as api from "./api";
import { wallUs } from "./clock";
import { refusal } from "./i18n";
import { Link } from "./link";
import { live, LivePicture } from "./live";
import { Microphone } from "./microphone";
import { Peer } from "./peer";
import { rehearse } from "./rehearsal";
import { Level, Sounds } from "./sound";
import { officerIsHeard, personIsHeard } from "./talk";
import * as store from "./store";
import type { PageMark, ToPage } from "./wire";

export interface SentMark {
  incident: string;
  mark: PageMark;
  at_us: number;
}

/** Above this the person's sound has arrived. */
const SOUND_DBFS = -60;
const LISTEN_EVERY_MS = 5;
const LOST_SOUND_EVERY_MS = 10_000;

export const marks: SentMark[] = [];
export let remoteAudio: MediaStream | null = null;
/** Levels of the two voices, while there are any. */
export const levels: { officer: Level | null; person: Level | null } = { officer: null, person: null };

const speaker = new Audio();
speaker.autoplay = true;
speaker.muted = true;

const sounds = new Sounds((running) => {
  if (store.duty.peek()) store.sound.value = running ? "running" : "blocked";
});

const peer = new Peer({
  offer: (sdp) => store.send({ type: "offer", sdp }),
  state: (state) => (store.media.value = state),
  video: (track) => picture.carry(track),
  audio: (track) => {
    remoteAudio = new MediaStream([track]);
    speaker.srcObject = remoteAudio;
    levels.person?.close();
    levels.person = new Level(sounds.open(), remoteAudio);
    // A new source ends what was being started.
    if (store.call.peek() !== null) hearPerson();
  },
});

function hearPerson(): void {
  speaker.play().catch((error: unknown) => {
    // Anything else, as a source that was changed meanwhile, is not the browser's refusal: alarms must go on ringing.
    if (error instanceof DOMException && error.name === "NotAllowedError") store.sound.value = "blocked";
    else console.warn("the person's sound did not start:", error);
  });
}

const microphone = new Microphone((track) => {
  levels.officer?.close();
  levels.officer = track === null ? null : new Level(sounds.open(), new MediaStream([track]));
  void peer.send(track);
});

export const picture = new LivePicture({
  firstFrame: (incident) => mark(incident, "first_frame"),
  wantKeyFrame: () => store.send({ type: "key_frame" }),
});

const link = new Link(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`, store.clock, {
  message: hear,
  lost: (attempt) => void lost(attempt),
});

export function connection(): RTCPeerConnection | null {
  return peer.connection;
}

// --- signing in and out, on and off duty -----------------------------------------------------------

/** Finds out whether somebody is signed in already. The centre may be away: asked until it answers. */
export async function begin(): Promise<void> {
  for (;;) {
    try {
      if (owed.is()) await settle();
      const me = await api.me();
      if (me === null) store.session.value = { stage: "out" };
      else signedIn(me);
      return;
    } catch {
      await new Promise((done) => setTimeout(done, 1000));
    }
  }
}

function signedIn(me: api.Me): void {
  store.session.value = { stage: "in", officer: me.officer, role: me.role };
  store.sendThrough((message) => link.send(message));
  link.start();
}

export async function signIn(name: string, password: string): Promise<void> {
  // The cookie that comes replaces one that could not be ended.
  await api.login(name, password);
  owed.set(false);
  const me = await api.me();
  if (me !== null) signedIn(me);
}

export async function signOut(): Promise<void> {
  offDuty();
  link.stop();
  owed.set(true);
  leave();
  // On a shared desk a reload must not sign the next person in as the one who has left.
  await settle().catch((error: unknown) => console.warn("signing out did not reach the centre; tried at the next start:", error));
}

/** Ends the session that somebody has signed out of. */
async function settle(): Promise<void> {
  await api.logout();
  owed.set(false);
}

/** Whether a session is to be ended that the centre still holds; kept over a reload. */
const OWED = "sos.logout-owed";
const owed = {
  is: (): boolean => {
    try {
      return localStorage.getItem(OWED) !== null;
    } catch {
      return false;
    }
  },
  set: (on: boolean): void => {
    try {
      if (on) localStorage.setItem(OWED, "1");
      else localStorage.removeItem(OWED);
    } catch {
      // No storage: a reload is then a sign-in, as before.
    }
  },
};

function leave(): void {
  offDuty();
  link.stop();
  store.dispatch({ type: "signed_out" });
  store.session.value = { stage: "out" };
}

/** One click: sound unlocked, microphone opened, connected to the gateway. None waits for another. */
export function onDuty(): void {
  void sounds.unlock();
  void microphone.open();
  store.dispatch({ type: "duty", on: true });
  peer.start();
  rehearse();
  void keepAwake();
}

export function offDuty(): void {
  if (!store.duty.peek()) return;
  store.dispatch({ type: "duty", on: false });
  peer.stop();
  microphone.close();
  store.media.value = "off";
  store.sound.value = "off";
  store.muted.value = false;
}

/** After a click on what is amiss. */
export function unlockSound(): void {
  void sounds.unlock();
}
export function askMicrophone(): void {
  void microphone.open();
}

/** A screen that sleeps shows no alarm. */
async function keepAwake(): Promise<void> {
  if (!store.duty.peek() || document.visibilityState !== "visible") return;
  await navigator.wakeLock?.request("screen").catch(() => undefined);
}
document.addEventListener("visibilitychange", () => void keepAwake());

// --- what the centre says --------------------------------------------------------------------------

function hear(message: ToPage): void {
  store.dispatch({ type: "centre", message, at_ms: performance.now() });
  switch (message.type) {
    case "hello":
      // The gateway knows this page by its connection: a new one needs a new offer.
      if (store.duty.peek()) peer.start();
      break;
    case "answer":
      void peer.answered(message.sdp);
      break;
    case "reoffer":
      if (store.duty.peek()) peer.start();
      break;
    case "refused":
      refused(message.request, message.why);
      break;
    case "incident":
    case "kiosk":
    case "on_duty":
    case "archive":
    case "watching":
    case "pong":
      break;
  }
}

function refused(request: string, why: string): void {
  console.warn(`the centre refused ${request}: ${why}`);
  // What the page asks by itself is no news for the officer.
  if (["answer", "hold", "close", "duty", "switch"].includes(request)) store.tell(refusal(request, why));
}

async function lost(attempt: number): Promise<void> {
  store.dispatch({ type: "link_lost", at_ms: performance.now() });
  if (attempt === 0) return;
  // A WebSocket does not say why it was refused: perhaps the session is over.
  try {
    if ((await api.me()) === null) leave();
  } catch {
    // The centre is away; the link keeps trying.
  }
}

// --- instants of the call --------------------------------------------------------------------------

const sent = new Set<string>();

function mark(incident: string, instant: PageMark): void {
  const key = `${incident}/${instant}`;
  if (sent.has(key)) return;
  sent.add(key);
  const at_us = wallUs();
  store.send({ type: "mark", incident, mark: instant, at_us });
  marks.push({ incident, mark: instant, at_us });
  if (marks.length > 500) marks.splice(0, 250);
}

/** Runs `then` when what is in the document now has been painted: after the frame that follows. */
function painted(then: () => void): void {
  requestAnimationFrame(() => {
    const after = new MessageChannel();
    after.port1.onmessage = then;
    after.port2.postMessage(null);
  });
}

const announced = new Set<string>();
effect(() => {
  if (!store.duty.value) return;
  for (const { id } of store.waiting.value) {
    if (announced.has(id)) continue;
    announced.add(id);
    // A button the officer happened to touch last must not swallow the key that answers.
    if (document.activeElement instanceof HTMLButtonElement) document.activeElement.blur();
    painted(() => mark(id, "alarm_painted"));
  }
});

function listen(incident: string): () => void {
  const poll = setInterval(() => {
    if ((levels.person?.dbfs() ?? -120) < SOUND_DBFS) return;
    mark(incident, "first_sound_up");
    clearInterval(poll);
  }, LISTEN_EVERY_MS);
  return () => clearInterval(poll);
}

const now = () => ({
  call: store.call.value !== null,
  muted: store.muted.value,
  holdToTalk: store.holdToTalk.value,
  talking: store.talking.value,
});

// --- what follows from the state -------------------------------------------------------------------

effect(() => picture.watching(store.watching.value));

const ringing = computed(() => store.duty.value && store.waiting.value.length > 0);
effect(() => sounds.ring(ringing.value && store.sound.value === "running", store.call.value !== null));

effect(() => microphone.hear(officerIsHeard(now())));
effect(() => void peer.speak(store.call.value !== null));

effect(() => {
  const incident = store.call.value;
  if (incident === null) return undefined;
  hearPerson();
  store.muted.value = false;
  store.holdToTalk.value = false;
  store.talking.value = false;
  return listen(incident);
});
effect(() => {
  speaker.muted = !personIsHeard(now());
});

const deaf = computed(() => store.duty.value && store.linkState.value === "lost");
effect(() => {
  if (!deaf.value) return undefined;
  sounds.lost();
  const again = setInterval(() => sounds.lost(), LOST_SOUND_EVERY_MS);
  return () => clearInterval(again);
});

/** What is on the stage and what the connection carries may have drifted apart: asked for once more. */
const drift = { key: "", ticks: 0 };
effect(() => {
  store.tick.value;
  picture.check();
  const { selected, watching: carried, call, asked, link: linked } = store.state.peek();
  const view = store.staged.peek();
  const apart = view !== null && view.standing !== "closed" && selected !== carried;
  const may_ask = linked === "up" && store.duty.peek() && call === null && asked === null;
  const key = apart && may_ask ? `${selected}/${carried}` : "";
  drift.ticks = key === drift.key ? drift.ticks + 1 : 0;
  drift.key = key;
  // Not at once: the centre's own word may still be under way.
  if (key !== "" && drift.ticks === 2) store.send({ type: "watch", incident: selected });
});

effect(() => {
  const alarms = store.waiting.value.length;
  const talking = store.call.value !== null;
  document.title = alarms > 0 ? `▲ ${alarms} · SOS` : talking ? "● SOS" : "SOS";
});

// --- for measurement -------------------------------------------------------------------------------

const handles = {
  get pc() {
    return peer.connection;
  },
  get state() {
    return store.state.peek();
  },
  get live() {
    return live.peek();
  },
  get remoteAudioStream() {
    return remoteAudio;
  },
  get videoEl() {
    return picture.element;
  },
  get marks(): readonly SentMark[] {
    return marks;
  },
  get clock() {
    return store.clock.measured();
  },
};
Object.defineProperty(window, "__sos", { value: Object.freeze(handles), writable: false });
