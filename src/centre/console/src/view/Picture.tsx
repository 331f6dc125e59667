// The live picture. The element lives as long as the page; what lies behind it shows until a frame covers it.

import { t } from "../i18n";
import { live } from "../live";
import { picture } from "../shift";
import * as store from "../store";
import { Shape } from "./icons";

export function Picture() {
  const view = store.staged.value;
  const open = view !== null && view.standing !== "closed";
  const carried = open && live.value.incident === view.id;
  return (
    <div class={`picture ${carried ? "" : "picture-hidden"}`} data-seen={String(carried && live.value.seen)}>
      <div class="picture-empty">
        <span class="sweep" aria-hidden="true" />
        {open && <p>{emptyText(view.id)}</p>}
      </div>
      <video data-testid="live-video" ref={picture.attach} autoplay playsInline muted />
      {carried && live.value.seen && <Badge stalled={live.value.stalled} />}
    </div>
  );
}

function emptyText(id: string): string {
  const words = t().picture;
  if (store.media.value !== "connected") return words.no_media;
  if (store.call.value !== null && store.call.value !== id) return words.carried_elsewhere;
  return words.wait;
}

function Badge({ stalled }: { stalled: boolean }) {
  const words = t().picture;
  if (!stalled) {
    return (
      <div class="badge badge-live">
        <span class="badge-dot" aria-hidden="true" />
        {words.live}
      </div>
    );
  }
  return (
    <div class="badge badge-stalled" role="alert">
      <Shape name="faulty" size={22} />
      {words.stalled}
    </div>
  );
}
