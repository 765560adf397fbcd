"""RESULTS.md from the results of rows. Pure: text in, text out.

A result is a dictionary, as saved by run.py: name, title, tables (each {"caption", "head", "rows"}), verdicts (each {"goal",
"measured", "met"}, met being None where nothing could be compared), notes, commands, when, commit, seconds.
"""

MET = {True: "met", False: "**missed**", None: "not measured"}


def table(head, rows):
    lines = ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |" for cells in [head, *rows]]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


def section(result, commit):
    parts = [f"## {result['title']}"]
    measured = f"Measured {result['when']} in {result['seconds']:.0f} s"
    parts.append(measured + ("." if result["commit"] == commit else f", of commit {result['commit']}, not of the one above."))
    for one in result["tables"]:
        parts.append((f"{one['caption']}\n\n" if one.get("caption") else "") + table(one["head"], one["rows"]))
    if result["verdicts"]:
        parts.append(table(["goal", "measured", ""], [[v["goal"], v["measured"], MET[v["met"]]] for v in result["verdicts"]]))
    if result["notes"]:
        parts.append("\n".join(f"- {note}" for note in result["notes"]))
    if result["commands"]:
        parts.append("Commands:\n\n" + "\n".join(f"    {command}" for command in result["commands"]))
    return "\n\n".join(parts)


def summary(results):
    rows = [[result["title"], v["goal"], v["measured"], MET[v["met"]]] for result in results for v in result["verdicts"]]
    met = sum(v["met"] is True for result in results for v in result["verdicts"])
    missed = sum(v["met"] is False for result in results for v in result["verdicts"])
    return f"{met} goals met, {missed} missed, {len(rows) - met - missed} not measured.\n\n" + table(["", "goal", "measured", ""], rows)


def results_md(machine, results, not_measured, command, quick=False):
    """The whole file. `machine`: pairs of name and text, the commit among them under "commit"; `not_measured`: pairs of what and why."""
    commit = dict(machine).get("commit", "")
    parts = ["# Results of the benchmarks"]
    if quick:
        parts.append("**Made with --quick: a tiny model, few repetitions. It shows that the programs run; the figures mean nothing.**")
    parts.append(f"Written by `{command}`; [docs/guides/benchmarks.md](../docs/guides/benchmarks.md) says how to read and repeat it.\n"
                 "Every figure is a median with the smallest and the largest in brackets; ratios are taken round by round, of runs "
                 "that took turns.")
    parts.append(table(["machine", ""], machine))
    if results:
        parts.append("## Goals\n\n" + summary(results))
    parts += [section(result, commit) for result in results]
    if not_measured:
        parts.append("## Not measured here\n\n" + "\n".join(f"- {what}: {why}." for what, why in not_measured))
    return "\n\n".join(parts) + "\n"
