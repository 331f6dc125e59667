// The officers' console: starts the page.

import { render } from "preact";
import { listenToKeys } from "./keys";
import { begin } from "./shift";
import "./style/base.css";
import "./style/frame.css";
import "./style/rail.css";
import "./style/stage.css";
import "./style/actions.css";
import "./style/player.css";
import "./style/cover.css";
import "./style/dialogue.css";
import { App } from "./view/App";

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");
render(<App />, root);
listenToKeys();
void begin();
