async function begin() {
  if (data.shown !== null) showNetwork(data.shown);
  if (data.columns.length) networkTable();
  const epoch = document.getElementById("epoch");
  if (epoch) {
    epoch.addEventListener("input", () => showEpoch(Number(epoch.value)));
    await showEpoch(Number(epoch.value));
  }
  const plots = Object.keys(data.plots);
  await Promise.all(plots.map(draw));
  for (const id of ["pareto", "correlation"]) {
    document.getElementById(id)?.on("plotly_click", (event) => {
      const point = event.points.find((one) => one.customdata);
      if (point) showNetwork(point.customdata[0]);
    });
  }
  for (const query of ["(prefers-color-scheme: dark)", "print"]) {
    matchMedia(query).addEventListener("change", () => plots.forEach(draw));
  }
  document.body.dataset.ready = "true";
}

begin();
