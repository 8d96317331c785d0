"use strict";

// The slider: each group of pictures shows its newest up to the chosen step, or its first.
const slider = document.getElementById("step");
if (slider) {
  const steps = slider.dataset.steps.split(" ").map(Number);
  const groups = [...document.querySelectorAll(".shots")].filter((group) => group.children.length);
  const show = () => {
    const step = steps[slider.value];
    slider.setAttribute("aria-valuetext", `step ${step}`);
    document.getElementById("step-shown").textContent = step;
    for (const group of groups) {
      const pictures = [...group.children];
      const chosen = pictures.findLast((picture) => Number(picture.dataset.step) <= step) ?? pictures[0];
      for (const picture of pictures) picture.hidden = picture !== chosen;
      const shown = group.parentElement.querySelector(".shown");
      if (shown) shown.textContent = chosen.dataset.step;
    }
  };
  slider.addEventListener("input", show);
  show(); // a browser may remember another place
}

// The search among the fields of the configuration.
const search = document.getElementById("search");
if (search) {
  const changed = document.getElementById("changed");
  const rows = [...document.querySelectorAll("[data-field]")];
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/);
    for (const row of rows) {
      const field = row.dataset.field.toLowerCase();
      const left = changed.checked && !("changed" in row.dataset);
      row.hidden = left || !words.every((word) => field.includes(word));
    }
    for (const group of document.querySelectorAll(".group")) {
      group.hidden = !group.querySelector("[data-field]:not([hidden])");
    }
    const count = rows.filter((row) => !row.hidden).length;
    document.getElementById("found").textContent = count < rows.length ? `${count} of ${rows.length} fields` : "";
  };
  search.addEventListener("input", filter);
  changed.addEventListener("change", filter);
  filter();
}
