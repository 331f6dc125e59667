// The page: sign-in, or the desk with its bars and panels.

import { dialogue, duty, linkState, session, staged } from "../store";
import { Banners, ConnectionLost, NoticeLine } from "./Banners";
import { CloseDialogue } from "./CloseDialogue";
import { Idle } from "./Idle";
import { Keys } from "./Keys";
import { Login } from "./Login";
import { OffDuty } from "./OffDuty";
import { Rail } from "./Rail";
import { Stage } from "./Stage";
import { TopBar } from "./TopBar";

export function App() {
  switch (session.value.stage) {
    case "asking":
      return <div class="blank" />;
    case "out":
      return <Login />;
    case "in":
      return <Desk />;
  }
}

function Desk() {
  const shown = dialogue.value;
  return (
    <div class="desk" data-link={linkState}>
      <ConnectionLost />
      <TopBar />
      <Banners />
      <div class="main">
        <Rail />
        <main class="floor">
          {/* Always there: the picture's element must not be made at the moment of an alarm. */}
          <Stage />
          <Cover />
        </main>
      </div>
      <NoticeLine />
      {shown.kind === "close" && <CloseDialogue key={shown.incident} incident={shown.incident} />}
      {shown.kind === "keys" && <Keys />}
    </div>
  );
}

/** What lies over the stage while no incident is on it. */
function Cover() {
  if (staged.value !== null) return null;
  return duty.value ? <Idle /> : <OffDuty />;
}
