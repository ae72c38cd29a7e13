const PAGE = 100;

/** The table of scored networks: sorted, filtered and paged over the data, not over its lines. */
function networkTable() {
  const table = document.getElementById("candidates");
  const rows = data.columns[0].values.map((_, row) => row);
  const columns = [
    { name: "row", label: "row", scale: 1, values: rows },
    ...data.columns,
    { name: "architecture", label: "architecture", scale: 1, values: rows.map(genotype) },
  ];
  let texts = null;
  let found = rows;
  let sorted = { column: null, down: false };
  let page = 0;

  const head = table.tHead.insertRow();
  for (const column of columns) {
    const th = head.appendChild(element("th"));
    th.scope = "col";
    th.dataset.column = column.name;
    const button = th.appendChild(element("button", "", column.label));
    button.type = "button";
    button.addEventListener("click", () => sortBy(column));
  }

  function sortBy(column) {
    sorted = { column, down: sorted.column === column && !sorted.down };
    update();
  }

  /** Rows without a value come last, whatever the direction. */
  function compare(a, b) {
    const { column, down } = sorted;
    const [x, y] = [column.values[a], column.values[b]];
    if (x === null || y === null) return (x === null) - (y === null) || a - b;
    return (down ? -1 : 1) * ((x > y) - (x < y)) || a - b;
  }

  function update() {
    const wanted = document.getElementById("filter").value.toLowerCase();
    if (wanted) texts ??= rows.map((row) => columns.map((one) => shown(one, one.values[row])).join(" ").toLowerCase());
    found = wanted ? rows.filter((row) => texts[row].includes(wanted)) : [...rows];
    if (sorted.column) found.sort(compare);
    [...head.cells].forEach((th, position) => {
      const direction = sorted.down ? "descending" : "ascending";
      th.setAttribute("aria-sort", columns[position] === sorted.column ? direction : "none");
    });
    document.getElementById("filter-count").textContent = `${found.length} of ${rows.length}`;
    turn(0);
  }

  function turn(to) {
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    page = Math.min(Math.max(to, 0), pages - 1);
    table.tBodies[0].replaceChildren(...found.slice(page * PAGE, (page + 1) * PAGE).map(line));
    document.getElementById("page").textContent = `page ${page + 1} of ${pages}`;
    document.getElementById("previous").disabled = page === 0;
    document.getElementById("next").disabled = page === pages - 1;
  }

  function line(row) {
    const tr = element("tr");
    tr.dataset.row = row;
    for (const column of columns) {
      const value = column.values[row];
      const td = tr.appendChild(element("td", typeof value === "number" ? "number" : column.name));
      if (column.name === "row") {
        const button = td.appendChild(element("button", "", row));
        button.type = "button";
        button.setAttribute("aria-label", `draw network ${row}`);
      } else {
        td.textContent = td.title = shown(column, value);
      }
    }
    mark(tr, document.getElementById("network").dataset.row);
    return tr;
  }

  table.tBodies[0].addEventListener("click", (event) => {
    const tr = event.target.closest("tr");
    if (tr) showNetwork(Number(tr.dataset.row));
  });
  document.getElementById("filter").addEventListener("input", update);
  document.getElementById("previous").addEventListener("click", () => turn(page - 1));
  document.getElementById("next").addEventListener("click", () => turn(page + 1));
  update();
}
