// How long to wait before connecting again.

const FIRST_MS = 200;
const MOST_MS = 2000;

/**
 * Milliseconds before attempt number `attempt` (0 is the first after a break): 0.2 s, doubled up to 2 s,
 * with a jitter of a quarter either way so that pages do not come back all at once. `random` is 0 to 1.
 */
export function backoff(attempt: number, random: number): number {
  const base = Math.min(MOST_MS, FIRST_MS * 2 ** Math.max(0, attempt));
  if (attempt === 0) return base;
  return Math.min(MOST_MS, Math.round(base * (0.75 + 0.5 * random)));
}
