// The first page: one small chart per question, all with the same steps under the pointer.
const kCharts = [
  { title: "Reward", keys: ["reward", /^rewards\/(.*)\/mean$/] },
  { title: "Held-out prompts", keys: [/^eval_rewards\/(.*)\/mean$/], unit: "greedy", eval: true },
  { title: "KL to the reference", keys: ["kl"], unit: "nats per token" },
  { title: "Entropy", keys: ["entropy"], unit: "nats per token" },
  { title: "Completion length", keys: ["completions/mean_length", "completions/min_length", "completions/max_length"], unit: "tokens" },
  { title: "Without signal, and cut off", keys: ["frac_reward_zero_std", "completions/clipped_ratio"], unit: "share", names: ["groups of equal rewards", "completions at the cap"] },
  { title: "Loss", keys: ["loss"] },
  { title: "Gradient norm", keys: ["grad_norm"], unit: "before clipping" },
  { title: "Learning rate", keys: ["learning_rate"] },
  { title: "Ratio clipping", keys: ["clip_ratio/region_mean", "clip_ratio/low_mean", "clip_ratio/high_mean"], unit: "share of tokens" },
  { title: "Target weights", keys: ["weight_entropy", "tau", "beta"] },
  { title: "Speed", keys: ["time/tokens_per_second"], unit: "tokens per second" },
  { title: "Time per phase", keys: [/^time\/([a-z_]+)$/], unit: "seconds per step", stacked: true, except: ["time/step", "time/tokens_per_second", "time/eval"] },
];

/// The lines of one chart: {name, points: [[step, value], ...]}.
function linesOf(chart) {
  const source = chart.eval ? data.evaluations : data.curves, lines = [];
  const names = Object.keys(source.values);
  chart.keys.forEach((key, k) => {
    const found = typeof key === "string" ? names.filter((n) => n === key) : names.filter((n) => key.test(n));
    for (const name of found) {
      if (chart.except && chart.except.includes(name)) continue;
      const short = chart.names ? chart.names[k] : typeof key === "string" ? name.split("/").pop().replaceAll("_", " ") : name.match(key)[1];
      const values = source.values[name];
      if (!chart.stacked && typeof key === "string" && ["tau", "beta", "kl"].includes(name) && values.every((v) => !v)) continue;
      lines.push({ name: short, key: name, values });
    }
  });
  return lines.slice(0, 8);
}

/// Round numbers that cover low..high, about `count` of them.
function ticks(low, high, count) {
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999);
  const list = [];
  for (let t = Math.ceil(low / step - 1e-9) * step; t <= high + step * 1e-6; t += step) list.push(Math.abs(t) < step * 1e-6 ? 0 : t);
  return list;
}

/// Decimals that tell neighbouring ticks apart.
function tickText(list) {
  const step = list.length > 1 ? list[1] - list[0] : list[0] || 1;
  const biggest = Math.max(...list.map(Math.abs));
  if (biggest !== 0 && (biggest < 1e-3 || biggest >= 1e6)) return list.map((t) => (t === 0 ? "0" : show(t, 3)));
  const decimals = Math.max(0, Math.min(6, -Math.floor(Math.log10(step) + 1e-9)));
  return list.map((t) => t.toFixed(decimals).replace("-", "−"));
}

const drawn = [];  // charts on the page, told of the step under the pointer

function stack(lines, count) {
  const sums = new Array(count).fill(0);
  return lines.map((line) => ({ ...line, low: [...sums], high: sums.map((s, i) => (sums[i] = s + (line.values[i] || 0))) }));
}

class Chart {
  constructor(chart, lines) {
    this.steps = (chart.eval ? data.evaluations : data.curves).steps;
    this.lines = chart.stacked ? stack(lines, this.steps.length) : lines;
    this.stacked = chart.stacked;
    this.svg = el("svg", { height: 190, role: "img", "aria-label": chart.title + " over steps" });
    this.readout = el("div", { class: "readout" });
    this.box = el("section", { class: "chart" }, el("h2", {}, chart.title, el("small", {}, chart.unit || "")), this.readout, this.svg);
    const shown = this.lines.flatMap((l) => (this.stacked ? l.high : l.values)).filter((v) => v !== null && Number.isFinite(v));
    this.low = this.stacked ? 0 : Math.min(...shown);
    this.high = Math.max(...shown);
    if (this.low > 0 && this.low < 0.35 * this.high) this.low = 0;
    if (this.high - this.low < 1e-12 * Math.max(1, Math.abs(this.high))) {
      const room = Math.abs(this.high) * 0.5 || 1;
      this.high += room;
      this.low = this.low >= 0 ? Math.max(0, this.low - room) : this.low - room;
    }
    this.svg.addEventListener("pointermove", (e) => point(this.stepAt(e)));
    this.svg.addEventListener("pointerleave", () => point(null));
    drawn.push(this);
    this.read(null);
  }
  stepAt(event) {
    const box = this.svg.getBoundingClientRect();
    const share = (event.clientX - box.left - this.left) / Math.max(1, this.width - this.left - 8);
    return this.first + share * (this.last - this.first);
  }
  draw() {
    const width = this.svg.clientWidth, height = 190;
    if (!width || width === this.width) return;
    this.width = width;
    this.first = Math.min(data.curves.steps[0] ?? 1, this.steps[0] ?? 1);
    this.last = Math.max(data.step, this.first + 1);
    const yTicks = ticks(this.low, this.high, 5), yText = tickText(yTicks);
    this.left = Math.max(...yText.map((t) => t.length)) * 6.7 + 10;
    this.left = Math.max(this.left, 46);  // so that the charts of a column begin alike
    const top = 8, bottom = height - 22, right = width - 8;
    this.x = (step) => this.left + ((step - this.first) / (this.last - this.first)) * (right - this.left);
    this.y = (v) => bottom - ((v - this.low) / (this.high - this.low)) * (bottom - top);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.textContent = "";
    yTicks.forEach((t, i) => this.svg.append(el("line", { class: "grid", x1: this.left, x2: right, y1: this.y(t), y2: this.y(t) }),
      el("text", { class: "tick", x: this.left - 7, y: this.y(t) + 4, "text-anchor": "end" }, yText[i])));
    const xTicks = ticks(this.first, this.last, Math.max(2, Math.min(6, width / 90))).filter((t) => Number.isInteger(t));
    xTicks.forEach((t) => this.svg.append(el("text", { class: "tick", x: this.x(t), y: height - 4, "text-anchor": this.x(t) > right - 12 ? "end" : "middle" }, show(t, 4))));
    this.svg.append(el("line", { class: "base", x1: this.left, x2: right, y1: bottom, y2: bottom }));
    this.lines.forEach((line, i) => this.drawLine(line, i));
    this.cross = el("line", { class: "cross", y1: top, y2: bottom, visibility: "hidden" });
    this.svg.append(this.cross);
  }
  drawLine(line, i) {
    const color = `var(--c${i % 8})`;
    if (this.stacked) {
      const up = this.steps.map((s, k) => `${this.x(s).toFixed(1)},${this.y(line.high[k]).toFixed(1)}`);
      const down = this.steps.map((s, k) => `${this.x(s).toFixed(1)},${this.y(line.low[k]).toFixed(1)}`).reverse();
      this.svg.append(el("path", { d: "M" + up.concat(down).join("L") + "Z", fill: color, "fill-opacity": 0.75 }));
      return;
    }
    let path = "", open = false;
    this.steps.forEach((s, k) => {
      const v = line.values[k];
      if (v === null || !Number.isFinite(v)) return void (open = false);
      path += `${open ? "L" : "M"}${this.x(s).toFixed(1)},${this.y(v).toFixed(1)}`;
      open = true;
    });
    this.svg.append(el("path", { d: path, fill: "none", stroke: color, "stroke-width": i ? 1.4 : 2, "stroke-linejoin": "round", "stroke-linecap": "round" }));
    if (this.steps.length <= 40)
      this.steps.forEach((s, k) => line.values[k] !== null && this.svg.append(el("circle", { cx: this.x(s), cy: this.y(line.values[k]), r: 2.2, fill: color })));
  }
  /// Values at the step nearest to `step`; those of the last step where the pointer is elsewhere.
  read(step) {
    let at = this.steps.length - 1;
    if (step !== null) this.steps.forEach((s, i) => Math.abs(s - step) < Math.abs(this.steps[at] - step) && (at = i));
    this.readout.textContent = "";
    this.readout.append(el("span", {}, "step ", el("b", {}, show(this.steps[at], 6))));
    this.lines.forEach((line, i) => this.readout.append(el("span", {}, el("i", { style: `background:var(--c${i % 8})` }), line.name + " ", el("b", {}, show(line.values[at], 4)))));
    if (!this.cross) return;
    this.cross.setAttribute("visibility", step === null ? "hidden" : "visible");
    if (step !== null) for (const end of ["x1", "x2"]) this.cross.setAttribute(end, this.x(this.steps[at]));
  }
}

function point(step) {
  for (const chart of drawn) if (chart.width) chart.read(step);
}

const resized = new ResizeObserver(() => drawn.forEach((chart) => chart.draw()));

pages.curves = (main) => {
  drawn.length = 0;
  resized.disconnect();
  if (!data.curves.steps.length) return void main.append(el("p", { class: "empty" }, "No step has been logged yet."));
  const charts = el("div", { class: "charts" }), seen = new Set();
  for (const chart of kCharts) {
    const lines = linesOf(chart);
    lines.forEach((l) => seen.add(l.key));
    if (lines.length) charts.append(new Chart(chart, lines).box);
  }
  main.append(charts);
  const rest = Object.keys(data.curves.values).filter((k) => !seen.has(k) && k !== "epoch" && data.curves.values[k].some((v) => v !== null));
  if (rest.length) {
    const more = el("div", { class: "charts" });
    const box = el("details", { class: "more", ontoggle: () => {
      if (!more.childElementCount) rest.forEach((k) => more.append(new Chart({ title: k }, [{ name: k.split("/").pop().replaceAll("_", " "), key: k, values: data.curves.values[k] }]).box));
      drawn.forEach((chart) => chart.draw());
    } }, el("summary", {}, `All other metrics (${rest.length})`), more);
    main.append(box);
  }
  if (data.curves.bucket > 1) main.append(el("p", { class: "facts" }, `Each point is the mean of ${data.curves.bucket} logged steps.`));
  resized.observe(main);
  drawn.forEach((chart) => chart.draw());
};
