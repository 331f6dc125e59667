// The page's wall clock, and how far the centre's is ahead of it.

/**
 * The page's wall clock, microseconds since 1970 UTC. Taken from the monotonic clock, so that it never
 * jumps while the page lives; whatever it is wrong by is part of the offset measured against the centre.
 */
export function wallUs(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 1000);
}

export interface Estimate {
  /** Centre's clock minus the page's, microseconds. */
  offset_us: number;
  round_trip_us: number;
}

/** Samples remembered: at one ping every two seconds, the last half minute. */
const REMEMBERED = 16;

/** The offset as in NTP: of the last samples the one with the shortest round trip is believed. */
export class ClockOffset {
  private samples: Estimate[] = [];

  /** A pong: when its ping left and when it came (page), and what the centre's clock showed in between. */
  add(sent_us: number, centre_us: number, came_us: number): void {
    const round_trip_us = came_us - sent_us;
    if (!(round_trip_us >= 0)) return;
    const offset_us = Math.round(centre_us - (sent_us + came_us) / 2);
    this.samples.push({ offset_us, round_trip_us });
    if (this.samples.length > REMEMBERED) this.samples.shift();
  }

  /** A first guess, replaced by the first pong: the centre's clock as a message brought it. */
  guess(centre_us: number, came_us: number): void {
    if (this.samples.length === 0) {
      this.samples.push({ offset_us: Math.round(centre_us - came_us), round_trip_us: Number.MAX_SAFE_INTEGER });
    }
  }

  best(): Estimate | null {
    let best: Estimate | null = null;
    for (const sample of this.samples) {
      if (best === null || sample.round_trip_us <= best.round_trip_us) best = sample;
    }
    return best;
  }

  /** What a ping reports: only what was measured, never the guess. */
  measured(): Estimate | null {
    const best = this.best();
    return best !== null && best.round_trip_us < Number.MAX_SAFE_INTEGER ? best : null;
  }

  /** The centre may have restarted on another clock: what was measured no longer counts. */
  forget(): void {
    this.samples = [];
  }
}
