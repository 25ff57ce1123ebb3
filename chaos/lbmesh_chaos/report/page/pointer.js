const data = JSON.parse(document.getElementById("series").textContent);
const plot = document.querySelector("svg.time"), cross = document.getElementById("cross"), told = document.getElementById("told");
plot.addEventListener("pointermove", event => {
  const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(plot.getScreenCTM().inverse());
  const share = (at.x - data.left) / (data.right - data.left);
  if (share < 0 || share > 1) { cross.style.opacity = 0; told.textContent = ""; return; }
  const second = share * data.seconds, bucket = Math.floor(second / data.width);
  cross.setAttribute("x1", at.x); cross.setAttribute("x2", at.x); cross.style.opacity = .55;
  const kinds = bucket < data.buckets ? data.kinds : [];
  const parts = kinds.map(kind => {
    const bad = kind.lost[bucket] + kind.unknown[bucket];
    return `${kind.name} ${Math.round(kind.ok[bucket] / data.width)}/s` + (bad ? ` (${bad} failed)` : "");
  });
  told.textContent = [`${second.toFixed(2)} s`, ...parts].join(" · ");
});
plot.addEventListener("pointerleave", () => { cross.style.opacity = 0; told.textContent = ""; });
