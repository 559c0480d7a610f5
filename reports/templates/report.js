"use strict";
(() => {
  const read = (id) => document.getElementById(id).textContent;
  const figures = read("figures"), swaps = JSON.parse(read("swaps"));
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const painted = () => JSON.parse(dark.matches
    ? figures.replace(/#[0-9a-f]{6}/g, (colour) => swaps[colour] ?? colour)
    : figures);
  // The toolbar stands beside the caption (report.css). Without a mouse nothing would hide it again,
  // and of bars there is nothing to look at more closely.
  const mouse = matchMedia("(hover: hover)").matches;
  const optionsOf = (name) => ({
    responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d"],
    displayModeBar: mouse && !name.startsWith("importance-") ? "hover" : false,
  });
  const draw = () => {
    for (const [name, figure] of Object.entries(painted())) {
      const place = document.getElementById(name);
      if (place) Plotly.react(place, figure.data, figure.layout, optionsOf(name));
    }
  };
  dark.addEventListener("change", draw);
  draw();
})();
