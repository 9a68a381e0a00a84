// Mounts the dashboard of a router.

import { render } from "preact";
import { App } from "./app.tsx";
import "../style.css";
import "./style.css";

render(<App />, document.getElementById("app")!);
