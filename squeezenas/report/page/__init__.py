"""The HTML report: one file that draws run folders with Plotly and needs no network."""
