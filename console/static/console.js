"use strict";
// A picture that is chosen, dropped or pasted anywhere is sent by the search form.
const ask = () => document.getElementById("ask");

function send(files) {
  const file = [...files].find((f) => f.type.startsWith("image/"));
  if (!file || !ask()) return false;
  const chosen = new DataTransfer();
  chosen.items.add(file);
  document.getElementById("picture").files = chosen.files;
  ask().requestSubmit();
  return true;
}

document.addEventListener("change", (event) => {
  if (event.target.id === "picture" && event.target.files.length) ask().requestSubmit();
});
document.addEventListener("paste", (event) => {
  if (send(event.clipboardData.files)) event.preventDefault();
});
document.addEventListener("dragover", (event) => {
  if (!ask()) return;
  event.preventDefault();
  document.getElementById("drop").classList.add("over");
});
document.addEventListener("dragleave", () => document.getElementById("drop")?.classList.remove("over"));
document.addEventListener("drop", (event) => {
  if (!ask()) return;
  event.preventDefault();
  send(event.dataTransfer.files);
});

// A person in a frame is picked by a click; their buttons do the same by keyboard.
document.addEventListener("click", (event) => {
  const person = event.target.closest("rect[data-person]");
  if (person) document.querySelector(`button[data-person="${person.dataset.person}"]`).click();
});

// Buttons with data-key are pressed by that key, once a press, unless somebody is writing or what
// was pressed before is still under way: nobody judges what is not shown yet.
document.addEventListener("keydown", (event) => {
  if (event.repeat || document.querySelector(".htmx-request")) return;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  const button = document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (button) { event.preventDefault(); button.click(); }
});

// The live page follows the server's events; the events end when another page is shown. One comes
// each second: without any for PATIENCE ms, or when the connection breaks, the page says so.
const PATIENCE = 5000;
let events = null, heard = 0;
function follow() {
  const live = document.getElementById("live");
  if (events && !live) { events.close(); events = null; heard = 0; }
  if (!live || events) return;
  heard ||= Date.now();
  events = new EventSource(live.dataset.events);
  events.onerror = lost;
  events.addEventListener("beat", hear);
  events.onmessage = (event) => {
    hear();
    if (document.getElementById("live")?.dataset.mark === event.data) return;
    htmx.ajax("GET", "/live", { target: "#live", select: "#live", swap: "outerHTML" });
  };
  events.addEventListener("frames", (event) => {
    hear();
    for (const [camera, frame] of Object.entries(JSON.parse(event.data))) show(camera, frame);
  });
}
function hear() {
  heard = Date.now();
  document.getElementById("live")?.classList.remove("lost");
  document.getElementById("lost")?.remove();
}
function lost() {
  const live = document.getElementById("live");
  if (!live) return;
  live.classList.add("lost");
  if (!document.getElementById("lost")) {
    const said = document.createElement("div");
    Object.assign(said, { id: "lost", className: "notice problem" });
    said.setAttribute("role", "alert");
    said.textContent = `not connected since ${new Date(heard).toISOString().slice(11, 19)}: what is shown is old`;
    live.before(said);
  }
  if (events?.readyState === EventSource.CLOSED) again();
}
// A browser does not ask again for events that it was refused: for good, where nobody is signed in.
async function again() {
  events = null;
  const answer = await fetch("/api/v1/me").catch(() => null);
  if (answer?.status === 401) location.assign("/sign-in?then=/live");
  else setTimeout(follow, 3000);
}
setInterval(() => { if (events && Date.now() - heard > PATIENCE) lost(); }, 1000);

// New frames and boxes take the place of those that are shown; the rest of the page stays.
const SVG = "http://www.w3.org/2000/svg";
function made(name, values, text) {
  const one = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(values)) one.setAttribute(key, value);
  if (text) one.textContent = text;
  return one;
}
function show(camera, frame) {
  const picture = document.querySelector(`svg.now[data-camera="${CSS.escape(camera)}"]`);
  if (!picture) return;
  picture.setAttribute("viewBox", `0 0 ${frame.width} ${frame.height}`);
  const at = picture.closest("section").querySelector(".at");
  if (at) at.textContent = new Date(1000 * frame.time).toISOString().slice(11, 19);
  const image = picture.querySelector("image");
  for (const key of ["width", "height"]) image.setAttribute(key, frame[key]);
  image.setAttribute("href", frame.picture);
  const line = frame.width / 22;
  const boxes = picture.querySelector("g");
  boxes.setAttribute("font-size", line);
  boxes.replaceChildren(...frame.boxes.flatMap(({ box: [x, y, width, height], identity }) => {
    const rect = made("rect", { x, y, width, height });
    if (!identity) return [rect];
    const link = made("a", { href: `/identities/${identity}`, "aria-label": `identity ${identity}` });
    link.append(made("text", { x, y: Math.max(y - frame.width / 100, line) }, identity));
    return [rect, link];
  }));
}

document.addEventListener("htmx:afterSettle", follow);
document.addEventListener("DOMContentLoaded", follow);
