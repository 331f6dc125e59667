// What is wrong with the page itself, said loudly.

import { t } from "../i18n";
import { askMicrophone, unlockSound } from "../shift";
import * as store from "../store";
import { formatClock } from "../timing";
import { Shape } from "./icons";

/** Over everything, the whole width: no alarm reaches this page. */
export function ConnectionLost() {
  const { link, lost_at_ms } = store.state.value;
  if (link !== "lost") return null;
  store.tick.value;
  const words = t().banner;
  const seconds = lost_at_ms === null ? 0 : (performance.now() - lost_at_ms) / 1000;
  return (
    <div class="lost" role="alert" data-testid="connection-lost">
      <Shape name="dead" size={34} />
      <strong>{words.lost_title}</strong>
      <span class="lost-explain">{words.lost_explain}</span>
      <span class="mono lost-since">{words.lost_since(formatClock(seconds))}</span>
    </div>
  );
}

function Banner(props: { id: string; text: string; action?: string; onAction?: () => void }) {
  return (
    <div class="banner" role="alert" data-testid={props.id}>
      <Shape name="faulty" size={22} />
      <span>{props.text}</span>
      {props.action !== undefined && <button onClick={props.onAction}>{props.action}</button>}
    </div>
  );
}

export function Banners() {
  if (!store.duty.value) return null;
  const words = t().banner;
  const microphone = store.microphone.value;
  return (
    <div class="banners">
      {store.sound.value === "blocked" && (
        <Banner id="sound-blocked" text={words.sound_blocked} action={words.sound_button} onAction={unlockSound} />
      )}
      {(microphone === "refused" || microphone === "gone") && (
        <Banner
          id="no-microphone"
          text={microphone === "refused" ? words.microphone_refused : words.microphone_gone}
          action={words.microphone_button}
          onAction={askMicrophone}
        />
      )}
      {store.media.value === "lost" && store.linkState.value === "up" && (
        <Banner id="media-lost" text={words.media_lost} />
      )}
      {store.state.value.archive_full && <Banner id="archive-full" text={words.archive_full} />}
    </div>
  );
}

/** What the centre refused; goes away by itself. */
export function NoticeLine() {
  const shown = store.notice.value;
  return (
    <div class="notice" role="status">
      {shown !== null && <div class="notice-text">{shown.text}</div>}
    </div>
  );
}
