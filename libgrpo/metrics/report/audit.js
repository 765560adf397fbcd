// The second page: the completions of kept steps, with everything that was said of them.
const view = { search: "", from: "", to: "", min: "", max: "", failed: false, flagged: false, sort: "newest", heat: "none", at: null };
const meanReward = (group) => group.completions.reduce((sum, c) => sum + c.total, 0) / Math.max(1, group.completions.length);
const keyOf = (group) => group.step + "/" + group.index;
const flagged = new Map();  // "step/group/completion" -> titles of the alarms that point at it
for (const alarm of data.alarms)
  for (const key of alarm.examples) flagged.set(key, [...(flagged.get(key) || []), alarm.title]);
for (const group of data.groups) group.flags = [...flagged.keys()].some((key) => key.startsWith(keyOf(group) + "/"));

const hasFailed = (group) => group.completions.some((c) => c.rewards.some((r) => r.failed));
const textOf = (c) => (c.pieces ? c.pieces.join("") : c.text);

function found() {
  const word = view.search.toLowerCase(), number = (text, other) => (text === "" ? other : Number(text));
  const list = data.groups.filter((g) => g.step >= number(view.from, -Infinity) && g.step <= number(view.to, Infinity) &&
    g.completions.some((c) => c.total >= number(view.min, -Infinity) && c.total <= number(view.max, Infinity)) &&
    (!view.failed || hasFailed(g)) && (!view.flagged || g.flags) &&
    (!word || (g.prompt + "\n" + g.solution).toLowerCase().includes(word) || g.completions.some((c) => textOf(c).toLowerCase().includes(word))));
  const spread = (g) => Math.max(...g.completions.map((c) => c.total)) - Math.min(...g.completions.map((c) => c.total));
  const order = { newest: (a, b) => b.step - a.step || a.index - b.index, oldest: (a, b) => a.step - b.step || a.index - b.index,
                  highest: (a, b) => meanReward(b) - meanReward(a), lowest: (a, b) => meanReward(a) - meanReward(b), spread: (a, b) => spread(b) - spread(a) };
  return list.sort(order[view.sort]);
}

/// Whether the rewards that judge answers call it right; null if there are none.
function isRight(completion) {
  const verdicts = data.rewards.map((r, i) => (r.kind === "correctness" ? completion.rewards[i] : null)).filter((v) => v && v.value !== undefined && v.value !== null);
  return verdicts.length ? verdicts.some((v) => v.value > 0) : null;
}

function dots(group) {
  const totals = group.completions.map((c) => c.total), low = Math.min(0, ...totals), high = Math.max(...totals, low + 1e-9);
  return el("span", { class: "dots", "aria-hidden": "true" }, group.completions.slice(0, 16).map((c) =>
    el("i", { class: isRight(c) === false ? "wrong" : null, style: `height:${Math.round(2 + 12 * (c.total - low) / (high - low))}px` })));
}

function listItem(group, open) {
  return el("button", { type: "button", "data-key": keyOf(group), "aria-current": String(keyOf(group) === view.at), onclick: () => open(group) },
    el("span", { class: "q" }, group.question.replace(/\s+/g, " ").slice(0, 120) || "(empty prompt)"),
    el("span", { class: "m" }, el("span", {}, `step ${group.step}`, group.flags ? " · ⚠" : "", hasFailed(group) ? " · failed" : ""), dots(group), el("span", {}, show(meanReward(group), 3))));
}

/// Per token: how strongly it is coloured (0 to 1), and what its tooltip says.
function heatOf(c, kind) {
  if (kind === "logprob") return c.log_probs && ((i) => [Math.min(1, -c.log_probs[i] / 6), `log-prob ${show(c.log_probs[i], 3)}`]);
  if (kind === "entropy") return c.entropies && ((i) => [Math.min(1, c.entropies[i] / 4), `entropy ${show(c.entropies[i], 3)} nats`]);
  if (kind === "kl" && c.ref_log_probs)
    return (i) => {
      const d = c.ref_log_probs[i] - c.log_probs[i], kl = Math.exp(Math.min(d, 20)) - d - 1;
      return [Math.min(1, Math.sqrt(kl / 2)), `KL ${show(kl, 3)} nats · policy ${show(c.log_probs[i], 3)} · reference ${show(c.ref_log_probs[i], 3)}`];
    };
  return null;
}

function completionText(c) {
  const heat = c.pieces && heatOf(c, view.heat), box = el("div", { class: "text", dir: "auto", tabindex: 0 });
  if (!heat) {
    const special = new Set(c.special || []);
    const plain = c.pieces ? c.pieces.filter((_, i) => !special.has(i)).join("") : c.text;
    box.append(...textNodes(plain, view.search));
    if (c.pieces) for (const i of special) box.append(el("span", { class: "end" }, ...textNodes(c.pieces[i])));
    return box;
  }
  c.pieces.forEach((piece, i) => {
    const [strength, says] = heat(i);
    const shown = (c.special || []).includes(i);
    box.append(el("span", { class: shown ? "t end" : "t", title: `${JSON.stringify(piece)}\n${says}`, style: `background:rgba(var(--heat),${(0.75 * strength).toFixed(3)})` }, ...textNodes(piece, view.search)));
  });
  return box;
}

function verdict(reward, i) {
  const r = reward, about = data.rewards[i];
  const value = r.failed ? el("span", { class: "neg" }, "failed") : r.value === null || r.value === undefined ? "n/a" : show(r.value, 3);
  const weight = about.weight !== 1 ? el("span", { class: "weight" }, "× " + Number(about.weight.toPrecision(3))) : null;
  const why = r.failed || r.why;
  return el("tr", {}, el("td", {}, about.name, weight, why ? el("span", { class: "why" }, ...textNodes(why)) : null), el("td", { class: "n" }, value));
}

function card(group, c, i, target) {
  const flags = flagged.get(keyOf(group) + "/" + i);
  const tone = c.advantage > 0 ? "pos" : c.advantage < 0 ? "neg" : "";
  const facts = [`${c.length} tokens`, c.truncated ? "cut at the cap" : "ended by itself"];
  if (c.kl !== undefined) facts.push(`KL ${show(c.kl, 3)}`);
  if (c.entropy !== undefined) facts.push(`entropy ${show(c.entropy, 3)}`);
  if (c.mode) facts.push(`counts as “${c.mode.slice(0, 60)}”`);
  return el("article", { class: ["card", flags ? "flag" : "", i === target ? "target" : ""].join(" ").trim(), id: "completion-" + i },
    el("header", {}, el("span", { class: "i" }, `#${i + 1}`), el("span", { class: "total" }, "reward " + show(c.total, 3)),
       c.advantage !== undefined ? el("span", { class: "adv" }, data.run.coefficient + " ", el("b", { class: tone }, data.run.coefficient === "weight" ? show(c.advantage, 3) : signed(c.advantage, 3))) : null),
    el("div", { class: "verdicts" }, el("table", {}, el("tbody", {}, c.rewards.map(verdict)))),
    completionText(c),
    c.left_out ? el("p", { class: "note" }, `${show(c.left_out, 6)} bytes in the middle are left out here; completions/ has them.`) : null,
    flags ? el("p", { class: "note" }, flags.join(" · ")) : null,
    el("footer", {}, facts.map((f) => el("span", {}, f))));
}

function groupView(group, target, redraw) {
  const kinds = [["none", "Plain"]];
  const some = (name) => group.completions.some((c) => c.pieces && c[name]);
  if (some("log_probs")) kinds.push(["logprob", "Log-prob"]);
  if (some("ref_log_probs")) kinds.push(["kl", "KL"]);
  if (some("entropies")) kinds.push(["entropy", "Entropy"]);
  const says = { logprob: ["likely", "unlikely (6 nats)"], kl: ["as the reference", "far from it"], entropy: ["certain", "open (4 nats)"] }[view.heat];
  const long = group.prompt.length > group.question.length + 10;
  return el("div", { class: "group" },
    el("h2", {}, `Step ${group.step}, prompt ${group.index + 1}`, el("small", {}, group.source + (group.why ? " · kept as " + group.why : ""))),
    el("div", { class: "prompt" }, el("div", { class: "text", dir: "auto" }, ...textNodes(group.question, view.search)),
       group.solution ? el("p", { class: "facts" }, "Answer: ", ...textNodes(group.solution, view.search)) : null,
       long ? el("details", { class: "facts" }, el("summary", {}, "the whole prompt, as the model sees it"), el("div", { class: "text", dir: "auto" }, ...textNodes(group.prompt, view.search))) : null),
    kinds.length > 1 ? el("div", { class: "toolbar" }, segment("Colour tokens by", kinds, () => view.heat, (v) => { view.heat = v; redraw(); }),
       says ? el("span", {}, says[0], el("i", { class: "scale" }), says[1]) : "colours tokens") : null,
    el("div", { class: "cards" }, group.completions.map((c, i) => card(group, c, i, target))));
}

pages.completions = (main, [step, index, completion]) => {
  if (!data.groups.length) return void main.append(el("p", { class: "empty" }, "No completions have been kept yet."));
  const list = el("div", { class: "list", role: "navigation", "aria-label": "Groups" }), detail = el("div"), count = el("span", { class: "count" });
  let shown = [];
  const open = (group, target) => {
    view.at = keyOf(group);
    history.replaceState(null, "", "#completions/" + view.at);
    for (const b of list.children) b.setAttribute("aria-current", String(b.dataset.key === view.at));
    detail.replaceChildren(groupView(group, target, () => open(group, target)));
  };
  const refresh = () => {
    shown = found();
    count.textContent = `${shown.length} of ${data.groups.length} groups`;
    list.replaceChildren(...shown.map((g) => listItem(g, open)));
    const at = shown.find((g) => keyOf(g) === view.at) || shown[0];
    if (at) open(at);
    else detail.replaceChildren(el("p", { class: "empty" }, "Nothing fits these filters."));
  };
  const input = (name, label, type, extra) => el("label", { class: type === "search" ? "wide" : null }, label, el("input", { type, value: view[name], id: name, step: "any", oninput: (e) => { view[name] = e.target.value; refresh(); }, ...extra }));
  const check = (name, label) => el("label", { class: "check" }, el("input", { type: "checkbox", id: name, checked: view[name], onchange: (e) => { view[name] = e.target.checked; refresh(); } }), label);
  const sorts = [["newest", "newest first"], ["oldest", "oldest first"], ["highest", "highest reward"], ["lowest", "lowest reward"], ["spread", "widest spread"]];
  main.append(el("div", { class: "filters" }, input("search", "Search in prompts and completions", "search", { placeholder: "text" }),
    input("from", "From step", "number"), input("to", "To step", "number"), input("min", "Reward from", "number"), input("max", "Reward to", "number"),
    el("label", {}, "Order", el("select", { onchange: (e) => { view.sort = e.target.value; refresh(); } }, sorts.map(([v, t]) => el("option", { value: v, selected: v === view.sort }, t)))),
    check("failed", "failed only"), check("flagged", "with an alarm"), count),
    el("div", { class: "audit" }, list, detail), el("p", { class: "facts" }, data.kept));
  moveBy = (by) => {
    const i = shown.findIndex((g) => keyOf(g) === view.at), next = shown[i + by];
    if (!next) return;
    open(next);
    list.querySelector("[aria-current=true]").scrollIntoView({ block: "nearest" });
  };
  const asked = data.groups.find((g) => keyOf(g) === step + "/" + index);
  if (asked) view.at = keyOf(asked);
  refresh();
  if (asked && completion !== undefined) {
    open(asked, Number(completion));
    const node = $("completion-" + completion);
    if (node) node.scrollIntoView({ block: "center" });
  }
};
