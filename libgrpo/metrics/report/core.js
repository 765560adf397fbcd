// The data, small helpers, and which page is shown. Everything that a model wrote reaches the page as text nodes only.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);

/// An element: el("p", {class: "x", onclick: f}, "text", child, ...). Null children are left out.
function el(tag, attributes, ...children) {
  const svg = ["svg", "path", "line", "text", "rect", "circle", "g"].includes(tag);
  const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat()) if (child !== null && child !== undefined) node.append(child);
  return node;
}

const kSuper = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

/// A number with so many significant digits: 0.0312, 1 204, 5.0×10⁻⁷.
function show(value, digits = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e7)) {
    const [front, power] = value.toExponential(Math.max(digits - 2, 0)).split("e");
    return front.replace("-", "−") + "×10" + [...String(Number(power))].map((c) => kSuper[c]).join("");
  }
  const decimals = size >= 100 ? 0 : Math.min(6, Math.max(0, digits - 1 - Math.floor(Math.log10(size || 1))));
  const [whole, rest] = Math.abs(value).toFixed(decimals).split(".");
  const grouped = whole.length > 4 ? whole.replace(/\B(?=(\d{3})+$)/g, "\u202f") : whole;
  return (value < 0 && Number(value.toFixed(decimals)) !== 0 ? "−" : "") + grouped + (rest && Number.isInteger(value) ? "" : rest ? "." + rest : "");
}

const signed = (value, digits) => (value > 0 ? "+" : "") + show(value, digits);

function duration(seconds) {
  const s = Math.round(seconds);
  if (s >= 3600) return `${Math.floor(s / 3600)} h ${String(Math.floor((s % 3600) / 60)).padStart(2, "0")} min`;
  return s >= 60 ? `${Math.floor(s / 60)} min ${String(s % 60).padStart(2, "0")} s` : `${s} s`;
}

/// What a person cannot see, as a small label: control characters, and those that turn the direction of writing.
const kHidden = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/;
const kNames = { "\u200b": "ZWSP", "\u200d": "ZWJ", "\u200e": "LRM", "\u200f": "RLM", "\u202a": "LRE", "\u202b": "RLE", "\u202c": "PDF", "\u202d": "LRO", "\u202e": "RLO", "\u2066": "LRI", "\u2067": "RLI", "\u2069": "PDI", "\ufeff": "BOM", "\u0000": "NUL", "\u001b": "ESC", "\r": "CR" };

/// Text as nodes, with hidden characters named and the searched words marked. A joiner inside an emoji stays as it is.
function textNodes(text, search) {
  const nodes = [];
  let plain = "";
  const flush = () => {
    if (plain) nodes.push(...marked(plain, search));
    plain = "";
  };
  for (const c of text) {
    if (!kHidden.test(c) || (c === "\u200d" && /\p{Extended_Pictographic}\ufe0f?\p{Emoji_Modifier}?$/u.test(plain))) {
      plain += c;
      continue;
    }
    flush();
    const code = c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    nodes.push(el("span", { class: "ctl", title: "U+" + code }, kNames[c] || code));
  }
  flush();
  return nodes;
}

function marked(text, search) {
  if (!search) return [text];
  const nodes = [], low = text.toLowerCase(), word = search.toLowerCase();
  let at = 0;
  for (let hit = low.indexOf(word); hit >= 0 && low.length === text.length; hit = low.indexOf(word, at)) {
    if (hit > at) nodes.push(text.slice(at, hit));
    nodes.push(el("mark", {}, text.slice(hit, hit + word.length)));
    at = hit + word.length;
  }
  if (at < text.length) nodes.push(text.slice(at));
  return nodes;
}

/// Exactly one of some choices: buttons that show which is pressed.
function segment(label, choices, chosen, choose) {
  const box = el("span", { class: "segment", role: "group", "aria-label": label });
  for (const [value, text] of choices)
    box.append(el("button", { type: "button", "aria-pressed": String(value === chosen()), onclick: () => {
      choose(value);
      [...box.children].forEach((b, i) => b.setAttribute("aria-pressed", String(choices[i][0] === value)));
    } }, text));
  return box;
}

function showTop() {
  const run = data.run;
  document.title = run.name + " · libgrpo";
  $("name").textContent = run.name;
  $("about").textContent = [run.objective, run.model, `${run.prompts_per_step} prompts × ${run.num_generations} completions a step`].join(" · ");
  const share = Math.min(1, data.step / Math.max(1, run.total_steps));
  $("progress").append(el("b", { class: "num" }, `step ${data.step} of ${run.total_steps}`), data.finished ? " · finished" : "",
                       el("div", { class: "bar", role: "progressbar", "aria-valuenow": Math.round(100 * share), "aria-valuemin": 0, "aria-valuemax": 100, "aria-label": "Progress" },
                          el("i", { style: `width:${100 * share}%` })));
  if (data.alarms.length) {
    $("alarm-count").textContent = data.alarms.length;
    $("alarm-count").hidden = false;
  }
  $("footer").append(`Written ${new Date(data.written * 1000).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" })}` +
                     (data.finished ? "." : "; reload the page for the newest.") + " ",
                     el("span", { class: "keys" }, "Keys: ", el("kbd", {}, "1"), " ", el("kbd", {}, "2"), " ", el("kbd", {}, "3"), " pages, ",
                        el("kbd", {}, "j"), " ", el("kbd", {}, "k"), " next and previous group, ", el("kbd", {}, "/"), " search."));
}

const pages = Object.create(null);  // name -> function(main, rest of the address); filled by the other files
let moveBy = null;              // to the next or previous of what the page lists, if it lists anything

function route() {
  const [name, ...rest] = location.hash.slice(1).split("/");
  const page = pages[name] ? name : "curves";
  for (const tab of document.querySelectorAll(".tabs a")) tab.setAttribute("aria-selected", String(tab.id === "tab-" + page));
  const main = $("page");
  main.textContent = "";
  moveBy = null;
  pages[page](main, rest);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName);
  if (typing) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const go = { 1: "#curves", 2: "#completions", 3: "#alarms" }[event.key];
  if (go) location.hash = go;
  if (event.key === "/" && $("search")) {
    event.preventDefault();
    $("search").focus();
  }
  if ((event.key === "j" || event.key === "k") && moveBy) moveBy(event.key === "j" ? 1 : -1);
});
