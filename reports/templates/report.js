"use strict";
(() => {
  const read = (id) => document.getElementById(id).textContent;
  const figures = read("figures"), swaps = JSON.parse(read("swaps"));
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const painted = () => JSON.parse(dark.matches
    ? figures.replace(/#[0-9a-f]{6}/g, (colour) => swaps[colour] ?? colour)
    : figures);
  const options = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d"] };
  const draw = () => {
    for (const [name, figure] of Object.entries(painted())) {
      const place = document.getElementById(name);
      if (place) Plotly.react(place, figure.data, figure.layout, options);
    }
  };
  dark.addEventListener("change", draw);
  draw();
})();
