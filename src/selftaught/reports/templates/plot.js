// Reading values off a line plot by pointer, finger or arrow keys. The drawing itself is there without this script.
(function plots() {
  const SVG = "http://www.w3.org/2000/svg";
  const SAME_X = 0.012;

  function nearest(values, at) {
    let best = -1;
    for (let i = 0; i < values.length; i++) {
      if (best < 0 || Math.abs(values[i] - at) < Math.abs(values[best] - at)) best = i;
    }
    return best;
  }

  function setUp(stage) {
    const data = JSON.parse(stage.querySelector("script").textContent);
    const places = [...new Set(data.curves.flatMap((curve) => curve.x))].sort((a, b) => a - b);
    let place = -1;

    const drawing = () => [...stage.querySelectorAll("svg.drawing")].find((svg) => svg.clientWidth > 0);

    function clear() {
      for (const node of stage.querySelectorAll(".reading")) node.remove();
      page.hide(stage);
      place = -1;
    }

    function read(index) {
      const svg = drawing();
      if (!svg || index < 0) return;
      place = index;
      for (const node of stage.querySelectorAll(".reading")) node.remove();
      const [left, top, width, height] = svg.dataset.area.split(" ").map(Number);
      const at = places[index], x = left + at * width;
      const group = svg.appendChild(document.createElementNS(SVG, "g"));
      group.setAttribute("class", "reading");
      group.setAttribute("pointer-events", "none");
      const cursor = group.appendChild(document.createElementNS(SVG, "line"));
      for (const [key, value] of [["class", "cursor"], ["x1", x], ["x2", x], ["y1", top], ["y2", top + height]]) cursor.setAttribute(key, value);

      const lines = [];
      let words = "";
      for (const curve of data.curves) {
        const i = nearest(curve.x, at);
        if (i < 0 || Math.abs(curve.x[i] - at) > SAME_X) continue;
        words = words || curve.at[i];
        const spot = group.appendChild(document.createElementNS(SVG, "circle"));
        const y = top + Math.min(1, Math.max(0, curve.y[i])) * height;
        for (const [key, value] of [["class", `spot c${curve.colour}`], ["cx", left + curve.x[i] * width], ["cy", y], ["r", 4.5]]) spot.setAttribute(key, value);
        const line = page.make("div", `line c${curve.colour}`);
        line.append(page.make("i"), page.make("span", "word", curve.name), page.make("b", "", curve.value[i]));
        if (curve.band[i]) line.append(page.make("span", "interval", curve.band[i]));
        lines.push([curve.y[i], line]);
      }
      lines.sort((a, b) => a[0] - b[0]);
      const head = page.make("div", "head", `${data.x}: ${words}${data.unit ? " " + data.unit : ""}`);
      const box = svg.getBoundingClientRect(), scale = box.width / svg.viewBox.baseVal.width;
      page.show(stage, [head, ...lines.map((pair) => pair[1])], box.left + x * scale, box.top + (top + height * 0.4) * scale, 16, false, box.bottom);
    }

    function follow(event) {
      const svg = drawing();
      if (!svg || !places.length) return;
      const box = svg.getBoundingClientRect(), [left, , width] = svg.dataset.area.split(" ").map(Number);
      const at = ((event.clientX - box.left) * (svg.viewBox.baseVal.width / box.width) - left) / width;
      if (at > 1.06) clear();
      else read(nearest(places, at));
    }

    stage.addEventListener("pointermove", follow);
    stage.addEventListener("pointerdown", follow);
    stage.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") clear(); });
    stage.addEventListener("blur", clear);
    stage.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step || !places.length) return;
      event.preventDefault();
      read(Math.max(0, Math.min(places.length - 1, place < 0 ? 0 : place + step)));
    });
    for (const name of stage.querySelectorAll(".name")) {
      const light = (on) => {
        const svg = name.ownerSVGElement;
        svg.classList.toggle("lit", on);
        for (const node of svg.querySelectorAll(`[data-curve="${name.dataset.curve}"]`)) node.classList.toggle("on", on);
      };
      name.addEventListener("pointerenter", () => light(true));
      name.addEventListener("pointerleave", () => light(false));
    }
  }

  for (const stage of document.querySelectorAll("[data-plot]")) setUp(stage);
})();
