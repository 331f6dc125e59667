// What the officer can do now: one big thing, and the rest.

import { t } from "../i18n";
import * as officer from "../officer";
import { canAnswer, canClose, outputs } from "../state";
import * as store from "../store";
import type { IncidentView, Output } from "../wire";
import { Key, Shape } from "./icons";
import { Levels } from "./Levels";

export function Actions({ view }: { view: IncidentView }) {
  const now = store.state.value;
  const words = t().act;
  const talking = now.call === view.id;
  const answers = canAnswer(now, view);
  return (
    <div class={`actions ${talking ? "actions-talking" : ""}`}>
      {talking ? <Levels /> : <Answer view={view} possible={answers} />}
      <div class="action-row">
        <button class="act act-hold" data-testid="hold" disabled={now.call === null} onClick={officer.hold}>
          <Shape name="hold" size={20} />
          {words.hold}
          <Key>H</Key>
        </button>
        <button class="act act-close" data-testid="close" disabled={!canClose(now, view)} onClick={officer.askClose}>
          <Shape name="closed" size={20} />
          {words.close}
          <Key>C</Key>
        </button>
      </div>
      <Outputs view={view} />
    </div>
  );
}

const OUTPUT_KEYS: Record<Output, string> = { strobe: "S", relay: "R", heater: "W" };

/** Only what this kiosk says it has, and as it says it is. */
function Outputs({ view }: { view: IncidentView }) {
  const states = outputs(store.state.value, view);
  const words = t().outputs;
  if (states.length === 0) return null;
  return (
    <div class="action-row action-outputs">
      {states.map(({ output, on }) => (
        <button
          key={output}
          class={`act act-output ${on ? "is-on" : ""}`}
          data-testid={`output-${output}`}
          aria-pressed={on}
          onClick={() => officer.turn(output)}
        >
          <span>
            {words.name[output]} <b>{on ? words.on : words.off}</b>
          </span>
          <Key>{OUTPUT_KEYS[output]}</Key>
        </button>
      ))}
    </div>
  );
}

function Answer({ view, possible }: { view: IncidentView; possible: boolean }) {
  const now = store.state.value;
  const words = t().act;
  let text = words.answer;
  if (now.asked === view.id) text = words.asked;
  else if (view.standing === "on_hold") text = view.owner === now.officer ? words.take_back : words.take_over;
  else if (view.standing === "answered" && view.owner === now.officer) text = words.take_back;
  else if (view.standing === "answered") text = `${t().other_talks}: ${view.owner ?? ""}`;
  return (
    <>
      <button
        class={`answer answer-${view.standing}`}
        data-testid="answer"
        disabled={!possible}
        onClick={() => officer.answer(view)}
      >
        <span class="answer-word">{text}</span>
        <Key>Enter</Key>
      </button>
      <p class="action-hint">{hint(view, possible)}</p>
    </>
  );
}

function hint(view: IncidentView, possible: boolean): string {
  const words = t().incident;
  const now = store.state.value;
  if (!now.duty) return words.on_duty_first;
  if (possible && now.call !== null) return words.calls_on_hold;
  if (view.standing === "answered" && view.owner === now.officer && now.asked === null) return words.not_talking_here;
  return "";
}
