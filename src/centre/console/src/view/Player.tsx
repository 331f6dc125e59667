// The recording: the half minute before the press beside the live picture, or a closed incident from end to end.
// Time is counted from the press: it is 0:00, what was before it is negative.

import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Feed } from "../feed";
import { t } from "../i18n";
import { playerIs } from "../keys";
import { togglePlayer } from "../officer";
import * as store from "../store";
import type { IncidentView } from "../wire";
import { Key } from "./icons";
import { Timeline } from "./Timeline";

/** Playback begins this long before the press. */
const LEAD_S = 30;

/** Beside the live picture, in the column on the right. */
export function BeforePress({ view }: { view: IncidentView }) {
  const words = t().player;
  const on = store.playing.value === view.id;
  const there = view.recording.header && view.recording.fragments > 0;
  return (
    <section class={`before ${on ? "before-on" : ""}`}>
      <h2>
        {words.before_press}
        {on && (
          <button class="quiet small" data-testid="playback" onClick={togglePlayer}>
            ✕ <Key>P</Key>
          </button>
        )}
      </h2>
      {on ? (
        <PlayerBox view={view} />
      ) : (
        <button class="poster" data-testid="playback" disabled={!there} onClick={togglePlayer}>
          <span class="poster-play" aria-hidden="true">
            ▶
          </span>
          <span>{there ? words.before_press_hint : words.none_yet}</span>
          <Key>P</Key>
        </button>
      )}
    </section>
  );
}

/** On the stage, in the place of the live picture. */
export function Playback({ view }: { view: IncidentView }) {
  const words = t().player;
  if (store.playing.value === view.id) {
    return (
      <div class="playback-box">
        <PlayerBox view={view} />
      </div>
    );
  }
  const there = view.recording.fragments > 0;
  return (
    <div class="playback-box">
      <button class="poster poster-big" data-testid="playback" disabled={!there} onClick={togglePlayer}>
        <span class="poster-play" aria-hidden="true">
          ▶
        </span>
        <span>{there ? words.play_back : words.none}</span>
        {there && <Key>P</Key>}
      </button>
    </div>
  );
}

function PlayerBox({ view }: { view: IncidentView }) {
  const video = useRef<HTMLVideoElement>(null);
  const feed = useRef<Feed | null>(null);
  /** Where the press is on the video's own timeline, seconds; null until the first fragment is there. */
  const press_s = useSignal<number | null>(null);
  const first_s = useSignal(0);
  const failure = useSignal("");
  const paused = useSignal(true);
  const open = view.standing !== "closed";
  // Before Answer nobody is listened to, and during the call the recording must not talk over the person.
  const silent = useSignal(open);
  const words = t().player;

  useEffect(() => {
    const element = video.current;
    if (element === null) return undefined;
    const playing = new Feed(element, view.id, view.recording, {
      ready(origin_us, first) {
        const press = origin_us === null ? first + LEAD_S : (view.pressed_wall_us - origin_us) / 1e6;
        first_s.value = first;
        press_s.value = press;
        element.currentTime = Math.max(first, press - LEAD_S);
        void element.play().catch(() => undefined); // Paused, then: the button is there.
      },
      failed: (why) => (failure.value = why),
    });
    feed.current = playing;
    const controls = {
      toggle: () => void (element.paused ? element.play().catch(() => undefined) : element.pause()),
      seek: (by: number) => (element.currentTime = Math.max(first_s.value, element.currentTime + by)),
    };
    playerIs(controls);
    return () => {
      playerIs(null);
      playing.close();
    };
  }, [view.id, open]);
  useEffect(() => feed.current?.grown(view.recording), [view.recording]);

  const from = useComputed(() => first_s.value - (press_s.value ?? 0));
  const to = from.value + view.recording.duration_ms / 1000;
  const closed = view.closed_wall_us === null ? null : (view.closed_wall_us - view.pressed_wall_us) / 1e6;
  return (
    <div class="player">
      <div class="player-screen">
        <video
          ref={video}
          data-testid="playback-video"
          playsInline
          muted={silent.value}
          onPlay={() => (paused.value = false)}
          onPause={() => (paused.value = true)}
          onClick={() => void (paused.value ? video.current?.play() : video.current?.pause())}
        />
        {failure.value !== "" ? (
          <p class="player-said" role="alert">
            {words.cannot}
            <small>{failure.value}</small>
          </p>
        ) : (
          press_s.value === null && <p class="player-said">{words.loading}</p>
        )}
      </div>
      {press_s.value !== null && (
        <Timeline video={video} press_s={press_s.value} from={from.value} to={Math.max(to, 0.1)} closed={closed} />
      )}
      <div class="player-row">
        <button class="act" onClick={() => void (paused.value ? video.current?.play() : video.current?.pause())}>
          <span class="player-glyph" aria-hidden="true">
            {paused.value ? "▶" : "❚❚"}
          </span>
          {paused.value ? words.play : words.pause}
        </button>
        {!open && (
          <button class="act" onClick={() => (silent.value = !silent.value)} aria-pressed={silent.value}>
            {silent.value ? words.sound_off : words.sound_on}
          </button>
        )}
      </div>
    </div>
  );
}
