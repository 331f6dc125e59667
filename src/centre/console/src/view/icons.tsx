// Shapes: each state has its own, so that none is told by colour alone.

import type { JSX } from "preact";

export type ShapeName = "alarm" | "talking" | "hold" | "closed" | "other" | "dead" | "faulty" | "no_leg" | "ready";

const PATHS: Record<ShapeName, JSX.Element> = {
  alarm: (
    <>
      <path d="M12 2.5 23 21.5H1Z" fill="currentColor" />
      <path d="M12 9v6M12 17.4v1.9" stroke="var(--shape-ink, #000)" stroke-width="2.4" />
    </>
  ),
  talking: (
    <>
      <circle cx="12" cy="12" r="5" fill="currentColor" />
      <path
        d="M4.2 5.5a10 10 0 0 0 0 13M19.8 5.5a10 10 0 0 1 0 13"
        fill="none"
        stroke="currentColor"
        stroke-width="2.4"
      />
    </>
  ),
  hold: <path d="M5 3h5v18H5ZM14 3h5v18h-5Z" fill="currentColor" />,
  closed: <path d="M4 4h16v16H4Zm3.4 8 3.4 3.6 6-7" fill="none" stroke="currentColor" stroke-width="2.2" />,
  other: (
    <>
      <circle cx="12" cy="7.5" r="4.5" fill="currentColor" />
      <path d="M3 22a9 8 0 0 1 18 0Z" fill="currentColor" />
    </>
  ),
  dead: <path d="M4 4l16 16M20 4 4 20" stroke="currentColor" stroke-width="4.4" />,
  faulty: (
    <>
      <path d="M12 1 23 12 12 23 1 12Z" fill="currentColor" />
      <path d="M12 6.5v7M12 15.8v2" stroke="var(--shape-ink, #000)" stroke-width="2.4" />
    </>
  ),
  no_leg: (
    <path
      d="M9 15a4.5 4.5 0 0 0-6 4M15 9a4.5 4.5 0 0 0 6-4M2 8h6V2M22 16h-6v6"
      fill="none"
      stroke="currentColor"
      stroke-width="2.4"
    />
  ),
  ready: <path d="M4 12.5 9.6 18 20 6.5" fill="none" stroke="currentColor" stroke-width="3" />,
};

export function Shape({ name, size = 20 }: { name: ShapeName; size?: number | string }) {
  return (
    <svg class={`shape shape-${name}`} viewBox="0 0 24 24" width={size} height={size} aria-hidden="true">
      {PATHS[name]}
    </svg>
  );
}

/** A key as it looks on the keyboard. */
export function Key({ children }: { children: string }) {
  return <kbd aria-hidden="true">{children}</kbd>;
}
