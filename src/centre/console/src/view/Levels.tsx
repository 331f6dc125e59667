// Both voices while talking: is the officer heard, is the person. Drawn without the framework, frame by frame.

import { useEffect, useRef } from "preact/hooks";
import { t } from "../i18n";
import { mute, toggleHoldToTalk } from "../officer";
import { levels } from "../shift";
import * as store from "../store";
import { Key } from "./icons";

/** The meter's left end, dB below full scale. */
const FLOOR_DBFS = -60;
/** How fast a meter falls, of its whole length per frame. */
const FALL = 0.03;

function Meter({ name, level, off }: { name: string; level: () => number; off: boolean }) {
  const bar = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    let shown = 0;
    let frame = requestAnimationFrame(function draw() {
      const now = Math.min(1, Math.max(0, 1 - level() / FLOOR_DBFS));
      shown = Math.max(now, shown - FALL);
      if (bar.current !== null) bar.current.style.transform = `scaleX(${shown.toFixed(3)})`;
      frame = requestAnimationFrame(draw);
    });
    return () => cancelAnimationFrame(frame);
  }, [level]);
  return (
    <div class={`meter ${off ? "meter-off" : ""}`}>
      <span class="meter-name">{name}</span>
      <span class="meter-track">
        <span class="meter-bar" ref={bar} />
      </span>
    </div>
  );
}

const officerLevel = () => levels.officer?.dbfs() ?? -120;
const personLevel = () => levels.person?.dbfs() ?? -120;

export function Levels() {
  const words = t().act;
  const muted = store.muted.value;
  const [oneWay, talking] = [store.holdToTalk.value, store.talking.value];
  const none = store.microphone.value !== "ready";
  return (
    <div class="levels">
      <Meter name={words.person} level={personLevel} off={oneWay && talking && !muted} />
      <Meter name={words.you} level={officerLevel} off={muted || none || (oneWay && !talking)} />
      <button class={`act act-mute ${muted ? "is-muted" : ""}`} data-testid="mute" disabled={none} onClick={mute}>
        {none ? `${t().line.microphone}: ${t().line.broken}` : muted ? words.muted : words.mute}
        <Key>M</Key>
      </button>
      <button
        class={`act act-mute ${oneWay && !talking ? "is-muted" : ""}`}
        data-testid="hold-to-talk"
        aria-pressed={oneWay}
        disabled={none}
        onClick={toggleHoldToTalk}
      >
        {!oneWay ? words.hold_to_talk : talking ? words.let_go_to_listen : words.hold_space_to_talk}
        <Key>T</Key>
      </button>
    </div>
  );
}
