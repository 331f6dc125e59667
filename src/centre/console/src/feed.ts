// Feeds a video element with a recording's fragments, while they are still arriving or long after.

import * as api from "./api";
import { fragmentStart, mimeType, tracks } from "./mp4";
import { indexAfter, indexAt, lastIndex } from "./places";
import type { FragmentView, RecordingView } from "./wire";

/** Seconds fetched ahead of what is shown. */
const AHEAD_S = 40;
/** Seconds kept behind it when the browser runs out of room. */
const BEHIND_S = 10;
const RETRY_MS = 1000;
/** This near to the end of what is there, playing has stopped or is about to. */
const HOLE_AT_S = 0.1;

export interface FeedEvents {
  /**
   * The first fragment can be shown; it begins at `first_s` of the video's timeline, whose zero was at `origin_us`
   * on the centre's wall clock (null: not known).
   */
  ready(origin_us: number | null, first_s: number): void;
  /** The recording cannot be played, and why. */
  failed(why: string): void;
}

export class Feed {
  private readonly source = new MediaSource();
  private readonly url = URL.createObjectURL(this.source);
  private readonly closing = new AbortController();
  private fetching = new AbortController();
  private buffer: SourceBuffer | null = null;
  private next = 1;
  private first_s = 0;
  private wake: () => void = () => {};

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly id: string,
    private recording: RecordingView,
    private readonly events: FeedEvents,
  ) {
    video.src = this.url;
    video.addEventListener("timeupdate", this.stir);
    video.addEventListener("waiting", this.stir);
    video.addEventListener("seeking", this.sought);
    void this.run().catch((error: unknown) => {
      if (!this.closing.signal.aborted) this.events.failed(error instanceof Error ? error.message : String(error));
    });
  }

  /** What is where, as far as it was asked for: for a closed recording, and where a fragment is missing. */
  private list: readonly FragmentView[] = [];

  /** The recording has grown. */
  grown(recording: RecordingView): void {
    this.recording = recording;
    this.stretch();
    this.stir();
  }

  close(): void {
    this.closing.abort();
    this.fetching.abort();
    this.video.removeEventListener("timeupdate", this.stir);
    this.video.removeEventListener("waiting", this.stir);
    this.video.removeEventListener("seeking", this.sought);
    this.video.removeAttribute("src");
    this.video.load();
    URL.revokeObjectURL(this.url);
    this.stir();
  }

  private readonly stir = (): void => {
    this.leave_hole();
    this.wake();
  };

  /** A player stops where a fragment is missing: on to what is behind it, unless that is still being filled. */
  private leave_hole(): void {
    const at = this.video.currentTime;
    const until = this.buffered_until(at);
    if (until === null || until - at > HOLE_AT_S || this.video.seeking) return;
    const ranges = this.video.buffered;
    for (let index = 0; index < ranges.length; index += 1) {
      const start = ranges.start(index);
      if (start <= until) continue;
      if (this.next > indexAt(start - this.first_s, this.recording, this.list)) this.video.currentTime = start;
      return;
    }
  }

  /** Fetching goes on from where what is there ends. */
  private readonly sought = (): void => {
    const at = this.video.currentTime;
    if (this.buffer !== null) {
      const wanted = indexAt((this.buffered_until(at) ?? at) - this.first_s, this.recording, this.list);
      if (wanted !== this.next) this.fetching.abort();
      this.next = wanted;
    }
    this.stir();
  };

  /** Asks what is where; without an answer, places are estimated. */
  private async ask_list(): Promise<void> {
    try {
      const detail = await api.incident(this.id, this.closing.signal);
      this.list = detail.fragments.filter((fragment) => fragment.index > 0);
    } catch (error) {
      if (!this.closing.signal.aborted) console.warn(`the list of fragments of ${this.id} did not come:`, error);
    }
  }

  private async run(): Promise<void> {
    if (this.source.readyState !== "open") await event(this.source, "sourceopen", this.closing.signal);
    while (!this.recording.header || this.recording.fragments === 0) await this.stirred();
    const header = await this.get(0);
    if (header === null) return;
    const found = tracks(header);
    const type = mimeType(found);
    if (type === null) throw new Error("the recording's header declares no track that is known");
    if (!MediaSource.isTypeSupported(type)) throw new Error(`this browser does not play ${type}`);
    this.buffer = this.source.addSourceBuffer(type);
    await this.append(header);
    await this.ask_list();
    let ready = false;
    while (!this.closing.signal.aborted) {
      if (!this.wants_more()) {
        await this.stirred();
        continue;
      }
      const index = this.next;
      const bytes = await this.get(index);
      if (bytes === null || this.next !== index) continue;
      if (!ready) this.first_s = fragmentStart(bytes, found) ?? 0;
      await this.append(bytes);
      if (this.next === index) this.next += 1;
      this.leave_hole();
      if (!ready) {
        ready = true;
        this.stretch();
        const start_us = this.recording.start_wall_us;
        this.events.ready(start_us === null ? null : start_us - this.first_s * 1e6, this.first_s);
      }
      this.end_if_complete();
    }
  }

  private wants_more(): boolean {
    if (this.next > lastIndex(this.recording, this.list)) return false;
    const until = this.buffered_until(this.video.currentTime);
    return until === null || until - this.video.currentTime < AHEAD_S;
  }

  private end_if_complete(): void {
    const done = this.recording.complete && this.next > lastIndex(this.recording, this.list);
    if (done && this.source.readyState === "open" && this.buffer?.updating === false) this.source.endOfStream();
  }

  /** The timeline is as long as what the centre has, though not all of it is fetched. */
  private stretch(): void {
    const end = this.first_s + this.recording.duration_ms / 1000;
    if (this.source.readyState !== "open" || this.buffer === null || this.buffer.updating) return;
    if (!(this.source.duration >= end)) this.source.duration = end;
  }

  /**
   * A fragment's bytes; null when they are not wanted any more, or never came and others did. Tried again while the
   * centre is away.
   */
  private async get(index: number): Promise<ArrayBuffer | null> {
    const wanted = () => !this.closing.signal.aborted && (index === 0 || this.next === index);
    while (wanted()) {
      this.fetching = new AbortController();
      try {
        return await api.fragment(this.id, index, this.fetching.signal);
      } catch (error) {
        if (this.fetching.signal.aborted) return null;
        console.warn(`fragment ${index} of ${this.id} did not come:`, error);
        if (error instanceof api.Refusal && error.status === 404 && index > 0) {
          await this.ask_list();
          const behind = indexAfter(index, this.list);
          if (behind !== null && wanted()) {
            this.next = behind;
            return null;
          }
        }
        await new Promise((done) => setTimeout(done, RETRY_MS));
      }
    }
    return null;
  }

  private async append(bytes: ArrayBuffer): Promise<void> {
    for (;;) {
      const buffer = this.buffer;
      if (buffer === null || this.closing.signal.aborted) return;
      try {
        buffer.appendBuffer(bytes);
      } catch (error) {
        if (!(error instanceof DOMException && error.name === "QuotaExceededError")) throw error;
        await this.make_room(buffer);
        continue;
      }
      await event(buffer, "updateend", this.closing.signal);
      if (this.video.error !== null) throw new Error(this.video.error.message);
      return;
    }
  }

  private async make_room(buffer: SourceBuffer): Promise<void> {
    const until = this.video.currentTime - BEHIND_S;
    const start = buffer.buffered.length > 0 ? buffer.buffered.start(0) : 0;
    if (until <= start) {
      await this.stirred();
      return;
    }
    buffer.remove(start, until);
    await event(buffer, "updateend", this.closing.signal);
  }

  private buffered_until(at: number): number | null {
    const ranges = this.video.buffered;
    for (let index = 0; index < ranges.length; index += 1) {
      if (at >= ranges.start(index) - 0.2 && at <= ranges.end(index) + 0.05) return ranges.end(index);
    }
    return null;
  }

  private stirred(): Promise<void> {
    return new Promise((done) => {
      if (this.closing.signal.aborted) done();
      this.wake = done;
    });
  }
}

/** Waits for one event, or for the feed's end. */
function event(target: EventTarget, name: string, closing: AbortSignal): Promise<void> {
  return new Promise((done) => {
    target.addEventListener(name, () => done(), { once: true });
    closing.addEventListener("abort", () => done(), { once: true });
  });
}
