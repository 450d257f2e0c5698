// The page begins.

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/pages.css";
import "./styles/task.css";
import { App } from "./app";
import { applyTheme } from "./theme";

applyTheme();
const root = document.getElementById("page");
if (root) createRoot(root).render(<StrictMode><App /></StrictMode>);
