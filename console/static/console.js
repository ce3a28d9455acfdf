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

// Buttons with data-key are pressed by that key, unless somebody is writing.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  const button = document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (button) { event.preventDefault(); button.click(); }
});
