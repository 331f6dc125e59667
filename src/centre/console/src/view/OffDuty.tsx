// Off duty: one button.

import { t } from "../i18n";
import { onDuty } from "../shift";
import { linkState, session, waiting } from "../store";
import { Shape } from "./icons";

export function OffDuty() {
  const words = t().duty;
  const now = session.value;
  const alarms = waiting.value.length;
  return (
    <section class="cover off-duty">
      {now.stage === "in" && <p class="off-name">{now.officer}</p>}
      <h1>{words.title}</h1>
      <button class="go" data-testid="go-on-duty" disabled={linkState.value !== "up"} onClick={onDuty}>
        {words.go}
      </button>
      <p class="off-explain">{words.explain}</p>
      {alarms > 0 && (
        <p class="off-alarms" role="alert">
          <Shape name="alarm" size={30} />
          {words.waiting(alarms)}
        </p>
      )}
    </section>
  );
}
