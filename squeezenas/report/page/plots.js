"use strict";

const data = JSON.parse(document.getElementById("data").textContent);

/** The text of a network, as it stands in the table of its run. */
function genotype(row) {
  return data.architectures[row].map((word) => data.words[word]).join(" ");
}

/** A value of a column as it is read: four digits, shares in percent, truths as yes. */
function shown(column, value) {
  if (value === null || value === false) return "";
  if (value === true) return "yes";
  if (typeof value !== "number") return value;
  const scaled = column.scale * value;
  if (Number.isInteger(scaled)) return String(scaled);
  const digits = scaled.toPrecision(4);
  return digits.includes("e") ? String(Number(digits)) : digits;
}

/** Puts the theme's colours where a figure names CSS properties, such as `--blue`. */
function themed(value, styles) {
  if (typeof value === "string" && value.startsWith("--")) return styles.getPropertyValue(value).trim();
  if (Array.isArray(value)) return typeof value[0] === "object" ? value.map((one) => themed(one, styles)) : value;
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, themed(one, styles)]));
}

/** Plotly reads a kind of HTML; this is text. */
function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** What the pointer shows of a network, its text in lines that fit the window. */
function hover(row) {
  const wide = window.innerWidth < 600 ? 34 : 64;
  const told = data.columns.map((column) => [column.label, shown(column, column.values[row])]);
  const lines = told.filter(([, text]) => text !== "").map(([label, text]) => `${label}: ${text}`.slice(0, 2 * wide));
  let line = "";
  for (const word of genotype(row).slice(0, 1200).split(" ")) {
    if (line && line.length + word.length >= wide) {
      lines.push(line);
      line = "";
    }
    line = line ? `${line} ${word}` : word.slice(0, 2 * wide);
  }
  return [...lines, line].map(escaped).join("<br>");
}

/** Draws a figure, or draws it again when the theme or its data have changed. */
function draw(id) {
  const figure = themed(data.plots[id], getComputedStyle(document.documentElement));
  for (const trace of figure.data) {
    if (trace.customdata) trace.text = trace.customdata.map(([row]) => hover(row));
  }
  const settings = {
    responsive: true,
    displaylogo: false,
    modeBarButtons: [["toImage", "resetScale2d"]],
    toImageButtonOptions: { format: "svg", filename: id },
  };
  document.getElementById(id).style.height = `${figure.layout.height}px`;
  return Plotly.react(id, figure.data, figure.layout, settings);
}

/** Shows the distribution of an epoch. */
function showEpoch(position) {
  const { epochs, z } = data.history;
  const [cells, likely] = data.plots["heat-map"].data;
  cells.z = z[position];
  likely.y = cells.x.map((_, choice) => {
    const column = cells.z.map((row) => row[choice] ?? -1);
    return cells.y[column.indexOf(Math.max(...column))];
  });
  const label = `${epochs[position]} of ${epochs[epochs.length - 1]}`;
  document.getElementById("epoch-label").textContent = label;
  document.getElementById("epoch").setAttribute("aria-valuetext", label);
  return draw("heat-map");
}
