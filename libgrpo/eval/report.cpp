#include "libgrpo/eval/report.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace grpo {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const Estimate& e) { return {{"mean", e.mean}, {"low", e.low}, {"high", e.high}, {"questions", e.questions}}; }

Json to_json(const Contestant& one) {
  Json figures = Json::object();
  for (const auto& [name, estimate] : one.figures) figures[name] = to_json(estimate);
  return {{"role", one.role},
          {"model", one.model.empty() ? Json(nullptr) : Json(one.model)},
          {"figures", figures},
          {"model_is_ahead_by", one.ahead ? to_json(*one.ahead) : Json(nullptr)},
          {"seconds", one.seconds}};
}

bool is_share(const std::string& name) {
  return name == "accuracy" || name == "cut" || name == "failed" || name.starts_with("mean@") || name.starts_with("pass@") ||
         name.starts_with("maj@") || name.starts_with("coverage@");
}

std::string show(const std::string& name, const Estimate& e) {
  if (is_share(name)) return fmt::format("{:.1f} % [{:.1f}, {:.1f}]", 100.0 * e.mean, 100.0 * e.low, 100.0 * e.high);
  const int digits = name == "tokens" ? 1 : 3;
  return fmt::format("{:.{}f} [{:.{}f}, {:.{}f}]", e.mean, digits, e.low, digits, e.high, digits);
}

std::string label(const std::string& name) {
  if (name == "tokens") return "tokens a completion";
  if (name == "cut") return "cut at the limit";
  return name == "failed" ? "verdicts that failed" : name;
}

/// Cells padded to the widest of their column: a table that reads well as text too.
std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows.front().size(), 3);
  for (const auto& row : rows)
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  std::string text;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t c = 0; c < rows[r].size(); ++c) text += fmt::format("| {:<{}} ", rows[r][c], widths[c]);
    text += "|\n";
    if (r > 0) continue;
    for (const std::size_t width : widths) text += fmt::format("|{:-<{}}", "", width + 2);
    text += "|\n";
  }
  return text;
}

const Estimate* find(const Contestant& one, const std::string& name) {
  const auto found = std::find_if(one.figures.begin(), one.figures.end(), [&](const auto& figure) { return figure.first == name; });
  return found == one.figures.end() ? nullptr : &found->second;
}

std::vector<std::vector<std::string>> rows_of(const EvalResult& result) {
  std::vector<std::vector<std::string>> rows(1, {""});
  for (const Contestant& one : result.contestants) rows[0].push_back(one.role);
  for (const auto& [name, ours] : result.contestants.front().figures) {
    rows.push_back({label(name)});
    for (const Contestant& one : result.contestants) {
      const Estimate* estimate = one.role == "random guess" && (name == "tokens" || name == "cut") ? nullptr : find(one, name);
      rows.back().push_back(estimate == nullptr ? "" : show(name, *estimate));
    }
  }
  if (result.contestants.size() == 1) return rows;
  rows.push_back({"the model is ahead by"});
  for (const Contestant& one : result.contestants) rows.back().push_back(one.ahead ? show("accuracy", *one.ahead) : "");
  return rows;
}

}  // namespace

std::string to_json(const std::vector<EvalResult>& results, const Bootstrap& rule) {
  Json list = Json::array();
  for (const EvalResult& r : results) {
    Json contestants = Json::array();
    for (const Contestant& one : r.contestants) contestants.push_back(to_json(one));
    list.push_back(Json{{"benchmark", r.benchmark},
                        {"dataset", r.dataset},
                        {"questions", r.questions},
                        {"n", r.shape.n},
                        {"k", r.shape.ks},
                        {"temperature", r.temperature},
                        {"max_completion_length", r.max_completion_length},
                        {"system_prompt", r.system_prompt},
                        {"rewards", r.rewards},
                        {"contestants", contestants}});
  }
  const Json all = {{"confidence", rule.confidence}, {"resamples", rule.resamples}, {"seed", rule.seed}, {"results", list}};
  return all.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string to_markdown(const std::vector<EvalResult>& results, const Bootstrap& rule) {
  std::string text;
  for (const EvalResult& r : results) {
    const std::string how = r.temperature == 0.0 ? "greedy" : fmt::format("{} completions at temperature {}", r.shape.n, r.temperature);
    text += fmt::format("## {}\n\n{}: {} questions, {}, at most {} tokens; right by `{}`\n\n", r.benchmark, r.dataset, r.questions, how,
                        r.max_completion_length, r.rewards.front());
    text += table(rows_of(r)) + "\n";
    for (const Contestant& one : r.contestants)
      if (!one.model.empty()) text += fmt::format("{}: `{}`\n", one.role, one.model);
    text += "\n";
  }
  return text + fmt::format("In brackets: {:g} % intervals, bootstrap over questions ({} resamples, seed {}).\n", 100.0 * rule.confidence,
                            rule.resamples, rule.seed);
}

}  // namespace grpo
