// Starts what the page at hand needs. Nothing here decides anything; the desk does.
import { startApproval } from "./approve.js";
import { startCopying } from "./copy.js";
import { startCodeKeeper, startLogIn } from "./code.js";
import { startMenu } from "./menu.js";
import { startProof } from "./proof.js";
import { startQueue } from "./queue.js";
import { startShortcuts } from "./shortcuts.js";
import { startTimes } from "./times.js";
import { startTold } from "./told.js";
import { startUrgent } from "./urgent.js";

startTimes();
startMenu();
startShortcuts();
startQueue();
startUrgent();
startLogIn();
startCodeKeeper();
startProof();
startApproval();
startCopying();
startTold();
document.documentElement.dataset.ready = "";
