// The live picture: one video element for the whole shift, and the moment a new incident's first frame is painted.

import { signal } from "@preact/signals";

export interface Live {
  /** The incident whose picture is on the element. */
  incident: string | null;
  /** Its first frame has been painted. */
  seen: boolean;
  /** Frames have stopped coming. */
  stalled: boolean;
}

export const live = signal<Live>({ incident: null, seen: false, stalled: false });

/** No frame for this long is a picture that stands still. */
const STALLED_AFTER_MS = 1500;
/** A key frame is asked for again after this. */
const ASK_EVERY_MS = 1000;

export interface LiveEvents {
  /** The callback's own time is reported: the frame was being painted when it ran. */
  firstFrame(incident: string): void;
  wantKeyFrame(): void;
}

/**
 * Whether a painted frame is the new incident's first. After another incident's picture, frames that were
 * received before the centre said it had switched are still the old one's; from silence any frame is the new one's.
 */
export function isFirst(received_ms: number | undefined, switched_ms: number, from_silence: boolean): boolean {
  return from_silence || received_ms === undefined || received_ms >= switched_ms;
}

export class LivePicture {
  element: HTMLVideoElement | null = null;
  private track: MediaStreamTrack | null = null;
  private switched_ms = 0;
  private from_silence = true;
  private last_frame_ms = 0;
  private asked_ms = 0;

  constructor(private readonly events: LiveEvents) {}

  /** The element appeared in (or left) the page. */
  readonly attach = (element: HTMLVideoElement | null): void => {
    this.element = element;
    this.show();
    if (element !== null && "requestVideoFrameCallback" in element) this.follow(element);
  };

  /** The media connection has a (new) picture track. */
  carry(track: MediaStreamTrack | null): void {
    this.track = track;
    this.show();
    this.arm(live.peek().incident, true);
  }

  /** The centre said whose picture comes now. */
  watching(incident: string | null): void {
    const before = live.peek().incident;
    if (before === incident) return;
    // The last frame of another place must never stand for this one.
    if (before !== null) this.show();
    this.arm(incident, before === null);
  }

  /** Called a few times a second. */
  check(): void {
    const { incident, seen, stalled } = live.peek();
    if (incident === null || this.track === null) return;
    const now = performance.now();
    const still = now - Math.max(this.last_frame_ms, this.switched_ms) > STALLED_AFTER_MS;
    if (still && now - this.asked_ms > ASK_EVERY_MS) {
      this.asked_ms = now;
      this.events.wantKeyFrame();
    }
    if (seen && still !== stalled) live.value = { incident, seen, stalled: still };
  }

  private arm(incident: string | null, from_silence: boolean): void {
    this.switched_ms = performance.now();
    this.from_silence = from_silence;
    live.value = { incident, seen: false, stalled: false };
  }

  private show(): void {
    if (this.element === null) return;
    this.element.srcObject = this.track === null ? null : new MediaStream([this.track]);
  }

  private follow(element: HTMLVideoElement): void {
    element.requestVideoFrameCallback((_now, metadata) => {
      if (this.element !== element) return;
      this.last_frame_ms = performance.now();
      const { incident, seen, stalled } = live.peek();
      if (incident !== null && !seen && isFirst(metadata.receiveTime, this.switched_ms, this.from_silence)) {
        this.events.firstFrame(incident);
        live.value = { incident, seen: true, stalled: false };
      } else if (stalled) {
        live.value = { incident, seen, stalled: false };
      }
      this.follow(element);
    });
  }
}
