// The third page: which rules fired, why, what to do, and the completions that show it. Then the page is started.
pages.alarms = (main) => {
  if (!data.alarms.length) return void main.append(el("p", { class: "empty" }, "No rule has fired."));
  for (const alarm of data.alarms) {
    const kept = alarm.examples.filter((key) => data.groups.some((g) => key.startsWith(keyOf(g) + "/")));
    const when = alarm.first === alarm.last ? `step ${alarm.first}` : `${alarm.count} times, steps ${alarm.first} to ${alarm.last}`;
    main.append(el("section", { class: "alarm" }, el("h2", {}, alarm.title, el("small", { class: "rule" }, ` · ${when}`)),
      el("p", {}, alarm.message), el("p", {}, alarm.advice), el("p", { class: "rule" }, "Rule: ", alarm.rule),
      kept.length ? el("ul", {}, kept.map((key) => { const [s, g, c] = key.split("/").map(Number);
        return el("li", {}, el("a", { href: "#completions/" + key }, `step ${s}, prompt ${g + 1}, #${c + 1}`)); })) : null));
  }
};

showTop();
addEventListener("hashchange", route);
route();
