// The page: choices in, pictures out. The work is done in worker.js.
"use strict";

const at = (id) => document.getElementById(id);
const waiting = {};
let worker, ready, bitmap, name, style, asked = 0;

function tell(text, { busy = false, wrong = false } = {}) {
  at("status").textContent = text;
  at("status").className = wrong ? "wrong" : "";
  at("progress").className = busy ? "" : "idle";
}

const fail = (text) => tell(text, { wrong: true });

/** Asks the worker; gives its answer. */
function ask(action, message) {
  return new Promise((resolve, reject) => {
    waiting[++asked] = { resolve, reject };
    worker.postMessage({ id: asked, action, ...message });
  });
}

function start() {
  if (typeof MODEL === "undefined" || typeof RUNTIME === "undefined") {
    return fail("model.js or runtime.js is missing. Keep the files of this folder together, and load the page again.");
  }
  if (typeof DecompressionStream === "undefined" || typeof WebAssembly === "undefined") {
    return fail("This browser is too old for this page. Please use a newer one.");
  }
  const { about, networks } = MODEL;
  at("about").textContent = `${about.method}, trained for ${about.step} steps. It runs on this device.`;
  at("photograph").hidden = !navigator.maxTouchPoints;
  const names = Object.keys(networks);
  for (const direction of names) at("direction").add(new Option(direction.replace("to", " to "), direction));
  at("directions").hidden = names.length < 2;
  (about.labels ?? []).forEach(addLabels);
  style = another();
  at("another").hidden = !style;
  worker = new Worker(URL.createObjectURL(new Blob([RUNTIME.worker], { type: "text/javascript" })));
  worker.onmessage = ({ data: { id, value, error } }) =>
    error === undefined ? waiting[id].resolve(value) : waiting[id].reject(new Error(error));
  worker.onerror = (event) => fail(`The network could not be started: ${event.message}`);
  tell("Loading the network …", { busy: true });
  ready = ask("load", { model: MODEL, runtime: RUNTIME });
  ready.then(
    () => bitmap || tell("Ready. Choose an image."),
    (error) => fail(`The network could not be loaded: ${error.message}`),
  );
}

/** Boxes of one data set; what excludes each other, or is of another set, is never on together. */
function addLabels({ columns, exclusive, also }, set) {
  at("labels").hidden = false;
  for (const [label, column] of Object.entries(columns)) {
    const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: set + column === 0 });
    Object.assign(box.dataset, { column, also: also.join(), set });
    box.onchange = () => {
      for (const other of at("labels").querySelectorAll("input")) {
        const theirs = Object.keys(columns).find((key) => columns[key] === Number(other.dataset.column));
        const together = exclusive.some((group) => group.includes(label) && group.includes(theirs));
        if (box.checked && other !== box && (Number(other.dataset.set) !== set || together)) other.checked = false;
      }
      show();
    };
    const line = document.createElement("label");
    line.append(box, ` ${label}`);
    at("labels").append(line);
  }
}

/** The label vector that the boxes say; null where the network has no labels. */
function label() {
  if (!MODEL.about.labels) return null;
  const length = Math.max(...MODEL.about.labels.flatMap(({ columns, also }) => [...Object.values(columns), ...also])) + 1;
  const vector = new Array(length).fill(0);
  for (const { dataset } of at("labels").querySelectorAll("input:checked")) {
    for (const column of [dataset.column, ...dataset.also.split(",").filter(Boolean)]) vector[column] = 1;
  }
  return vector;
}

/** Another style: numbers of N(0, 1), by Box and Muller; null where the network has none. */
function another() {
  const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
  return MODEL.about.style_size ? Array.from({ length: MODEL.about.style_size }, normal) : null;
}

async function open(file) {
  if (!file || !ready) return;
  tell("Reading the image …", { busy: true });
  try {
    // Upright, and with the numbers of the file, as training reads it.
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image", colorSpaceConversion: "none" });
  } catch {
    return fail(`${file.name} is no image that this browser can read. PNG and JPEG always work.`);
  }
  name = file.name.replace(/\.[^.]*$/, "");
  await show();
}

/** The pixels of the image on the background that training had. */
function pixels() {
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = `rgb(${MODEL.about.background.join()})`;
  context.fillRect(0, 0, bitmap.width, bitmap.height);
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height);
}

function draw(id, image, text) {
  Object.assign(at(id), { width: image.width, height: image.height });
  at(id).getContext("2d", { willReadFrequently: true }).putImageData(image, 0, 0);
  at(id).setAttribute("aria-label", text);
}

async function show() {
  if (!bitmap) return;
  const vector = label(), network = at("direction").value;
  if (vector && !vector.includes(1)) return fail("Choose what to translate to.");
  tell("Translating …", { busy: true });
  try {
    await ready;
    const turn = asked + 1;
    const { source, result } = await ask("translate", { image: pixels(), network, label: vector, style });
    if (turn !== asked) return; // something else was chosen meanwhile
    draw("source", source, `Your image, ${name}`);
    draw("result", result, `Translation of ${name}`);
    at("save").disabled = false;
    tell("Done.");
  } catch (error) {
    fail(`The image could not be translated: ${error.message}`);
  }
}

function save() {
  at("result").toBlob((blob) => {
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob) });
    link.download = `${name}-translated.png`;
    link.click();
    URL.revokeObjectURL(link.href);
  });
}

for (const id of ["file", "camera"]) {
  at(id).onchange = ({ target }) => {
    open(target.files[0]);
    target.value = ""; // so that the same file can be chosen again
  };
}
at("direction").onchange = show;
at("another").onclick = () => {
  style = another();
  show();
};
at("save").onclick = save;
at("choices").onsubmit = (event) => event.preventDefault();
addEventListener("paste", ({ clipboardData }) => open(clipboardData.files[0]));
addEventListener("dragover", (event) => event.preventDefault() || document.body.classList.add("over"));
addEventListener("dragleave", () => document.body.classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  open(event.dataTransfer.files[0]);
});
start();
