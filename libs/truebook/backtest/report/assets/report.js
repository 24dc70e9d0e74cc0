// Draws each chart in the colours of the page, again when the colour scheme changes.
"use strict";
const narrow = matchMedia("(max-width: 40rem)");
const dark = matchMedia("(prefers-color-scheme: dark)");
const charts = [...document.querySelectorAll("script[data-chart]")].map((each) => [
  document.getElementById(each.dataset.chart), JSON.parse(each.textContent),
]);

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function painted(trace) {
  const own = colour(trace.meta.role);
  const copy = { ...trace, line: { ...trace.line, color: own }, marker: { ...trace.marker, color: own } };
  for (const error of ["error_x", "error_y"]) {
    if (trace[error]) copy[error] = { ...trace[error], color: own };
  }
  if (trace.fill) copy.fillcolor = own;
  return copy;
}

function layoutOf(given) {
  const axis = {
    gridcolor: colour("grid"), zerolinecolor: colour("muted"), linecolor: colour("rule"), automargin: true,
    tickfont: { size: narrow.matches ? 11 : 12 },
  };
  const hidden = !given.legend && given.showlegend === false;
  return {
    ...given,
    xaxis: { ...axis, ...given.xaxis }, yaxis: { ...axis, ...given.yaxis },
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: colour("text"), family: getComputedStyle(document.body).fontFamily, size: 12 },
    hoverlabel: { bgcolor: colour("panel"), bordercolor: colour("rule"), font: { color: colour("text") } },
    legend: { orientation: "h", traceorder: "normal", x: 0, y: 1.02, yanchor: "bottom" },
    margin: { l: 8, r: 12, t: hidden ? 8 : 28, b: 8 },
    dragmode: narrow.matches ? false : "zoom",
  };
}

function draw() {
  for (const [place, chart] of charts) {
    Plotly.react(place, chart.data.map(painted), layoutOf(chart.layout), { responsive: true, displayModeBar: false });
  }
}

draw();
dark.addEventListener("change", draw);
narrow.addEventListener("change", draw);
