// The embedding map: points on a canvas, the record under the pointer in the tooltip, categories on and off.
(function maps() {
  const COLOURS = 8, SHAPES = 4, MARGIN = 22;
  const SVG = "http://www.w3.org/2000/svg";

  function contentOf(sample, spark) {
    const nodes = [];
    if (sample.kind === "picture") {
      const picture = page.make("img");
      picture.src = sample.address;
      picture.alt = sample.caption || "sample";
      nodes.push(picture);
    } else if (sample.kind === "audio") {
      if (sample.picture) {
        const drawing = page.make("img", "spectrogram");
        drawing.src = sample.picture;
        drawing.alt = "spectrogram";
        nodes.push(drawing);
      }
      const sound = page.make("audio");
      sound.controls = true;
      sound.src = sample.address;
      nodes.push(sound);
    } else if (sample.kind === "text") {
      nodes.push(page.make("blockquote", "", sample.text));
    } else if (sample.kind === "line") {
      const svg = document.createElementNS(SVG, "svg");
      svg.setAttribute("class", "spark");
      svg.setAttribute("viewBox", `0 0 ${spark.join(" ")}`);
      sample.paths.forEach((data, index) => {
        const path = svg.appendChild(document.createElementNS(SVG, "path"));
        path.setAttribute("class", `c${index % COLOURS}`);
        path.setAttribute("d", data);
      });
      nodes.push(svg);
    } else if (sample.kind === "row") {
      const list = page.make("dl", "record");
      for (const [name, value] of sample.row) {
        const pair = page.make("div");
        pair.append(page.make("dt", "", name), page.make("dd", "", value));
        list.append(pair);
      }
      nodes.push(list);
    }
    return nodes;
  }

  function trace(context, shape, x, y, size) {
    context.beginPath();
    if (shape === 1) context.rect(x - size * 0.85, y - size * 0.85, size * 1.7, size * 1.7);
    else if (shape === 2) {
      context.moveTo(x, y - size * 1.15); context.lineTo(x + size * 1.1, y + size * 0.8); context.lineTo(x - size * 1.1, y + size * 0.8);
    } else if (shape === 3) {
      context.moveTo(x, y - size * 1.25); context.lineTo(x + size * 1.25, y); context.lineTo(x, y + size * 1.25); context.lineTo(x - size * 1.25, y);
    } else context.arc(x, y, size, 0, 2 * Math.PI);
    context.closePath();
  }

  function setUp(figure) {
    const canvas = figure.querySelector("canvas"), context = canvas.getContext("2d");
    const data = JSON.parse(figure.querySelector('script[type="application/json"]').textContent);
    const count = data.x.length, order = [...Array(count).keys()].sort((a, b) => data.x[a] - data.x[b]);
    const buttons = [...figure.querySelectorAll("button[data-code]")];
    const hidden = new Set();
    let scale = 1, offsetX = 0, offsetY = 0, chosen = -1, lit = null, pinned = false;

    const px = (i) => offsetX + data.x[i] * scale;
    const py = (i) => offsetY + data.y[i] * scale;
    const colourOf = (code, colours) => (code < 0 ? colours.none : colours.list[code % COLOURS]);
    const shapeOf = (code) => (code < 0 ? 0 : Math.floor(code / COLOURS) % SHAPES);

    function draw() {
      const width = canvas.clientWidth, height = canvas.clientHeight, ratio = window.devicePixelRatio || 1;
      if (!width || !height) return;
      if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
        canvas.width = Math.round(width * ratio);
        canvas.height = Math.round(height * ratio);
      }
      scale = Math.min((width - 2 * MARGIN) / data.width, (height - 2 * MARGIN) / data.height);
      offsetX = (width - data.width * scale) / 2;
      offsetY = (height - data.height * scale) / 2;
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, width, height);
      const colours = { list: [...Array(COLOURS).keys()].map((i) => page.colour(`c${i}`)), none: page.colour("faint") };
      const size = Math.max(1.5, Math.min(4.5, 0.0082 * width * Math.sqrt(1000 / Math.max(count, 400))));
      for (let i = 0; i < count; i++) {
        const code = data.codes[i];
        if (hidden.has(code)) continue;
        context.globalAlpha = lit !== null && lit !== code ? 0.08 : 0.78;
        context.fillStyle = colourOf(code, colours);
        trace(context, shapeOf(code), px(i), py(i), size);
        context.fill();
      }
      context.globalAlpha = 1;
      if (chosen >= 0) {
        const code = data.codes[chosen];
        trace(context, shapeOf(code), px(chosen), py(chosen), size + 4);
        context.fillStyle = colourOf(code, colours);
        context.strokeStyle = page.colour("ink");
        context.lineWidth = 2;
        context.fill();
        context.stroke();
      }
    }

    function nearest(event, reach) {
      const box = canvas.getBoundingClientRect();
      const x = event.clientX - box.left - canvas.clientLeft, y = event.clientY - box.top - canvas.clientTop;
      let best = -1, distance = reach * reach;
      for (let i = 0; i < count; i++) {
        if (hidden.has(data.codes[i])) continue;
        const d = (px(i) - x) ** 2 + (py(i) - y) ** 2;
        if (d < distance) { best = i; distance = d; }
      }
      return best;
    }

    function choose(index, pin) {
      pinned = pin && index >= 0;
      if (index !== chosen) { chosen = index; draw(); }
      if (index < 0) { page.hide(figure); return; }
      const sample = data.samples[index], code = data.codes[index], nodes = sample ? contentOf(sample, data.spark) : [];
      if (code >= 0) {
        const line = page.make("div", `line c${code % COLOURS}`);
        line.append(page.make("i"), page.make("span", "word", data.names[code]));
        nodes.push(line);
      }
      if (sample && sample.caption) nodes.push(page.make("div", "count", sample.caption));
      if (!nodes.length) nodes.push(page.make("div", "count", `record ${index + 1} of ${count}`));
      const box = canvas.getBoundingClientRect();
      page.show(figure, nodes, box.left + px(index), box.top + py(index), 16, pinned);
    }

    canvas.addEventListener("pointermove", (event) => { if (event.pointerType === "mouse" && !pinned) choose(nearest(event, 14), false); });
    canvas.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse" && !pinned) choose(-1, false); });
    canvas.addEventListener("click", (event) => choose(nearest(event, event.pointerType === "mouse" ? 14 : 30), true));
    canvas.addEventListener("blur", () => choose(-1, false));
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") choose(-1, false);
      if (!step || hidden.size === buttons.length && buttons.length) return;
      event.preventDefault();
      let place = chosen < 0 ? (step > 0 ? -1 : count) : order.indexOf(chosen);
      do place = (place + step + count) % count; while (hidden.has(data.codes[order[place]]));
      choose(order[place], true);
    });

    const all = figure.querySelector("[data-all]");
    const paint = () => {
      for (const button of buttons) button.setAttribute("aria-pressed", String(!hidden.has(Number(button.dataset.code))));
      if (all) all.hidden = hidden.size === 0;
    };
    for (const button of buttons) {
      const code = Number(button.dataset.code);
      button.addEventListener("click", () => {
        if (!hidden.delete(code)) hidden.add(code);
        lit = null;
        choose(-1, false);
        paint();
        draw();
      });
      button.addEventListener("pointerenter", (event) => { if (event.pointerType === "mouse" && !hidden.has(code)) { lit = code; draw(); } });
      button.addEventListener("pointerleave", () => { lit = null; draw(); });
    }
    if (all) all.addEventListener("click", () => { hidden.clear(); paint(); draw(); });

    document.addEventListener("themechange", draw);
    new ResizeObserver(draw).observe(canvas);
    draw();
  }

  for (const figure of document.querySelectorAll("[data-map]")) setUp(figure);
})();
