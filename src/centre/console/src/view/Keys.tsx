// The keys, on one card.

import { t } from "../i18n";
import { dialogue } from "../store";
import { Key } from "./icons";

export function Keys() {
  const words = t().keys;
  const rows: [string[], string][] = [
    [["Enter", words.space, "F2"], words.answer],
    [["H"], words.hold],
    [["C"], words.close],
    [["1", "…", "5"], words.verdict],
    [["M"], words.mute],
    [["T"], words.hold_to_talk],
    [["S", "R", "W"], words.outputs],
    [["↑", "↓"], words.choose],
    [["P"], words.play],
    [[words.space], words.pause],
    [["←", "→"], words.seek],
    [["Esc"], words.back],
    [["L"], words.language],
    [["?"], words.keys],
  ];
  return (
    <div class="veil" onClick={() => (dialogue.value = { kind: "none" })}>
      <div class="dialogue keys" role="dialog" aria-label={words.title} data-testid="keys">
        <h2>{words.title}</h2>
        <dl>
          {rows.map(([keys, what]) => (
            <div key={what}>
              <dt>
                {keys.map((key) => (
                  <Key key={key}>{key}</Key>
                ))}
              </dt>
              <dd>{what}</dd>
            </div>
          ))}
        </dl>
      </div>
    </div>
  );
}
