"use strict";

const test = JSON.parse(document.getElementById("test").textContent);
const total = test.pictures.length;
const place = `gan_xla-blind-${test.id}`;
const element = (id) => document.getElementById(id);
let answers = []; // "left" or "right" of each trial: nothing that tells who is who
let asking = false;

// Some browsers refuse storage to pages that are opened as files.
function keep() {
  try {
    localStorage.setItem(place, JSON.stringify(answers));
  } catch {
    element("unkept").hidden = false;
  }
}

function remember() {
  try {
    const found = JSON.parse(localStorage.getItem(place) ?? "[]");
    if (Array.isArray(found) && found.length <= total && found.every((x) => x === "left" || x === "right")) answers = found;
  } catch {
    element("unkept").hidden = false;
  }
}

function show() {
  const done = answers.length === total;
  asking = !done;
  element("intro").hidden = true;
  element("actions").hidden = false;
  element("trial").hidden = done;
  element("end").hidden = !done;
  element("bar").value = answers.length;
  element("progress").textContent = `${answers.length} of ${total}`;
  if (done) return finish();
  const [left, right] = test.pictures[answers.length];
  element("left").firstElementChild.src = left;
  element("right").firstElementChild.src = right;
}

function pick(side) {
  if (!asking) return;
  answers.push(side);
  keep();
  show();
}

// UTF-8 in base64, which atob alone would not read.
const secret = () => JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(test.key), (c) => c.charCodeAt(0))));

// Wilson's interval of a share, for 95 %.
function wilson(picked, shown) {
  if (!shown) return [0, 1];
  const z = 1.959963984540054;
  const share = picked / shown;
  const middle = share + (z * z) / (2 * shown);
  const half = z * Math.sqrt((share * (1 - share)) / shown + (z * z) / (4 * shown * shown));
  const whole = 1 + (z * z) / shown;
  return [(middle - half) / whole, (middle + half) / whole];
}

function rates() {
  const { names, trials } = secret();
  const picks = answers.map((side, trial) => {
    const [left, right] = trials[trial];
    return side === "left" ? [left, right] : [right, left];
  });
  const rate = (name, others) => {
    const own = picks.filter(([a, b]) => (a === name && others.includes(b)) || (b === name && others.includes(a)));
    const picked = own.filter(([winner]) => winner === name).length;
    const [low, high] = wilson(picked, own.length);
    return { name: names[name], against: others.map((x) => names[x]).join(", "), picked, shown: own.length, low, high };
  };
  return names.flatMap((_, name) => {
    const others = names.map((_, other) => other).filter((other) => other !== name);
    return [rate(name, others), ...(others.length > 1 ? others.map((other) => rate(name, [other])) : [])];
  });
}

function finish() {
  const percent = (x) => `${Math.round(100 * x)} %`;
  const rows = rates().map((rate) => {
    const row = document.createElement("tr");
    const share = rate.shown ? percent(rate.picked / rate.shown) : "–";
    const cells = [rate.name, rate.against, share, `${percent(rate.low)} to ${percent(rate.high)}`, rate.shown];
    for (const [number, text] of cells.entries()) {
      const cell = document.createElement(number ? "td" : "th");
      if (!number) cell.scope = "row";
      cell.textContent = text;
      row.append(cell);
    }
    return row;
  });
  element("results").replaceChildren(...rows);
  element("end").focus();
}

// The key tells who is who in code, so that answers can be counted from the file alone.
function save() {
  const done = answers.length === total;
  const content = {
    format: test.format,
    test: test.id,
    key: test.key,
    answers: answers.map((pick, number) => ({ trial: number + 1, pick })),
    ...(done ? { rates: rates() } : {}),
  };
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(content, null, 1)], { type: "application/json" }));
  link.download = `blind-${test.id}.json`;
  link.click();
  URL.revokeObjectURL(link.href);
}

function again() {
  if (answers.length && !confirm("Forget all answers?")) return;
  answers = [];
  keep();
  show();
}

element("begin").addEventListener("click", () => {
  show();
  element("ask").focus();
});
element("left").addEventListener("click", () => pick("left"));
element("right").addEventListener("click", () => pick("right"));
element("save").addEventListener("click", save);
element("again").addEventListener("click", again);
document.addEventListener("keydown", (event) => {
  const side = { ArrowLeft: "left", 1: "left", ArrowRight: "right", 2: "right" }[event.key];
  if (!side || !asking || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  pick(side);
});
remember();
if (answers.length) show();
