"use strict";

const test = JSON.parse(document.getElementById("test").textContent);
const total = test.pictures.length;
const place = `gan_xla-blind-${test.id}`;
const element = (id) => document.getElementById(id);
const stranger = () => Math.random().toString(36).slice(2);
// "left" or "right" of each trial: nothing that tells who is who. undone: how many were taken back.
const fresh = () => ({ answers: [], undone: 0, told: false, rater: stranger() });
let state = fresh();

const complete = () => state.answers.length === total;

// Some browsers refuse storage to pages that are opened as files.
function keep() {
  try {
    localStorage.setItem(place, JSON.stringify(state));
  } catch {
    element("unkept").hidden = false;
  }
}

function remember() {
  try {
    const found = JSON.parse(localStorage.getItem(place) ?? "{}");
    const known = Array.isArray(found.answers) && found.answers.every((x) => x === "left" || x === "right");
    if (known && found.answers.length <= total) state = { ...state, ...found };
  } catch {
    element("unkept").hidden = false;
  }
}

function show() {
  const count = state.answers.length;
  element("intro").hidden = true;
  element("actions").hidden = false;
  element("undo").hidden = !count || state.told;
  element("trial").hidden = complete();
  element("ready").hidden = !complete() || state.told;
  element("end").hidden = !complete() || !state.told;
  element("bar").value = count;
  element("progress").textContent = `${count} of ${total}`;
  if (complete()) return state.told ? finish() : element("ready").focus();
  const [left, right] = test.pictures[count];
  element("left").firstElementChild.src = left;
  element("right").firstElementChild.src = right;
}

const change = (next) => {
  state = { ...state, ...next };
  keep();
  show();
};

function pick(side) {
  if (element("intro").hidden && !complete()) change({ answers: [...state.answers, side] });
}

function undo() {
  if (element("intro").hidden && state.answers.length && !state.told) {
    change({ answers: state.answers.slice(0, -1), undone: state.undone + 1 });
  }
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

// Numbers of the candidates (picked, not picked) of each answer; an attention check has -1 where the real picture is.
function picked() {
  const { trials } = secret();
  return state.answers.map((side, trial) => (side === "left" ? trials[trial] : [...trials[trial]].reverse()));
}

function rates() {
  const { names } = secret();
  const picks = picked().filter(([winner]) => winner >= 0);
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
  const checks = picked().filter(([winner]) => winner < 0);
  const right = checks.filter(([winner]) => winner === -1).length;
  element("attention").textContent = `${right} of ${checks.length} pairs that check attention were answered right.`;
  element("end").focus();
}

// The key tells who is who in code, so that answers can be counted from the file alone.
function save() {
  const content = {
    format: test.format,
    test: test.id,
    key: test.key,
    rater: state.rater,
    undone: state.undone,
    answers: state.answers.map((pick, number) => ({ trial: number + 1, pick })),
    ...(state.told ? { rates: rates() } : {}),
  };
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(content, null, 1)], { type: "application/json" }));
  link.download = `blind-${test.id}.json`;
  link.click();
  URL.revokeObjectURL(link.href);
}

function again() {
  if (!state.answers.length || confirm("Forget all answers?")) change(fresh());
}

element("begin").addEventListener("click", () => {
  show();
  element("ask").focus();
});
element("left").addEventListener("click", () => pick("left"));
element("right").addEventListener("click", () => pick("right"));
element("undo").addEventListener("click", undo);
element("tell").addEventListener("click", () => change({ told: true }));
element("save").addEventListener("click", save);
element("again").addEventListener("click", again);
document.addEventListener("keydown", (event) => {
  const act = { ArrowLeft: () => pick("left"), 1: () => pick("left"), ArrowRight: () => pick("right"), 2: () => pick("right"), Backspace: undo }[event.key];
  if (!act || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  act();
});
remember();
if (state.answers.length) show();
