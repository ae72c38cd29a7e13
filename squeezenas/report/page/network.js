const KERNELS = { 3: "kernel-3", 5: "kernel-5", 7: "kernel-7" };

/** A new element with a class and a text. */
function element(name, className = "", text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}

/** Draws a network and marks its row in the table. */
function showNetwork(row) {
  const section = document.getElementById("network");
  const text = genotype(row);
  section.dataset.row = row;
  section.querySelector(".genotype").textContent = text;
  const told = data.columns.map((column) => [column.label, shown(column, column.values[row])]);
  const facts = told.filter(([, value]) => value !== "").map(([label, value]) => `${label} ${value}`);
  document.getElementById("network-facts").textContent = facts.join(", ");
  const drawing = document.getElementById("drawing");
  const [, , keys] = data.chains.find(([begin, end]) => begin <= row && row < end);
  const options = text.split(" ");
  if (data.cells[row]) drawing.replaceChildren(...data.cells[row].map(cell));
  else if (keys.length && keys.length === options.length) drawing.replaceChildren(...chain(keys, options));
  else drawing.replaceChildren(element("p", "", "Not drawn: this is its text."));
  for (const line of document.querySelectorAll("#candidates tbody tr")) mark(line, row);
}

/** Tells in a line of the table whether it is the network that is drawn. */
function mark(line, row) {
  if (Number(line.dataset.row) === Number(row)) line.setAttribute("aria-current", "true");
  else line.removeAttribute("aria-current");
}

/** `k3_e6_g1_d2` -> {k: 3, e: 6, g: 1, d: 2}. */
function parts(option) {
  return Object.fromEntries([...option.matchAll(/(?:^|_)([a-z])(\d+)(?=_|$)/g)].map(([, letter, value]) => [letter, Number(value)]));
}

/** A row of units: height is expansion, colour kernel, hatching dilation. */
function chain(keys, options) {
  const units = options.map(parts);
  const tallest = Math.max(1, ...units.map((unit) => unit.e ?? 1));
  const list = element("ol", "chain");
  keys.forEach((key, position) => {
    const unit = units[position];
    const kind = [options[position] === "skip" ? "skip" : KERNELS[unit.k] ?? "", unit.d > 1 ? "dilated" : ""];
    const bar = element("span", "bar " + kind.join(" "));
    const body = bar.appendChild(element("span"));
    body.style.height = options[position] === "skip" ? "3px" : `${(100 * (unit.e ?? tallest)) / tallest}%`;
    bar.setAttribute("aria-hidden", "true");
    const item = list.appendChild(element("li"));
    const option = element("span", "option");
    for (const part of options[position].split(/(?<=_)/)) option.append(part, element("wbr"));
    item.append(element("span", "unit", key), bar, option);
  });
  const kernels = units.some((unit) => unit.k);
  const legend = "Height is expansion (e), colour kernel (k: 3 blue, 5 orange, 7 green), hatching dilation (d); g: groups.";
  return kernels ? [list, element("p", "", legend)] : [list];
}

/** A cell as a graph: inputs on the left, operations in grey on the edges. */
function cell(drawn) {
  const scroll = element("div", "scroll cells");
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "group");
  scroll.setAttribute("aria-label", `cell ${drawn.name}`);
  const picture = shape("svg", { width: drawn.size[0], height: drawn.size[1] + 8, viewBox: `0 -4 ${drawn.size[0]} ${drawn.size[1] + 8}` });
  for (const line of drawn.lines) {
    const bends = line.map(([x, y, end, to]) => `L${x} ${y}C${(x + end) / 2} ${y} ${(x + end) / 2} ${to} ${end} ${to}`);
    picture.append(shape("path", { d: `M${line[0][0]} ${line[0][1]}${bends.join("")}` }));
  }
  for (const [text, x, y, width, kind] of drawn.boxes) {
    const group = picture.appendChild(shape("g", { class: kind }));
    group.append(shape("rect", { x: x - width / 2, y: y - 10, width, height: 20, rx: 5 }));
    group.appendChild(shape("text", { x, y })).textContent = text;
  }
  scroll.append(element("h3", "", drawn.name), picture);
  return scroll;
}

/** A new SVG element. */
function shape(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
