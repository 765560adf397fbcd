#include "libgrpo/metrics/html_report.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/base/files.hpp"
#include "libgrpo/base/utf8.hpp"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <fmt/format.h>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <report_page.hpp>
#include <string_view>

namespace grpo {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::string_view kDataBegins = "<script type=\"application/json\" id=\"data\">\n";

/// JSON that may stand inside a <script> element: no text in it can end the element or begin a comment.
std::string embed(const Json& json) {
  const std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string safe;
  safe.reserve(text.size() + text.size() / 32);
  for (const char c : text) {
    if (c == '<')
      safe += "\\u003c";
    else
      safe += c;
  }
  return safe;
}

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

/// So few digits as a person reads: 6 significant ones for curves, 3 decimals for tokens.
Json rounded(double value) { return std::isfinite(value) ? Json(std::stod(fmt::format("{:.6g}", value))) : Json(nullptr); }

Json rounded(const std::vector<float>& values) {
  Json list = Json::array();
  for (const float value : values) list.push_back(number(std::round(static_cast<double>(value) * 1000.0) / 1000.0));
  return list;
}

/// At most kLongestText bytes: beginning and end, and how much is left out between them.
std::string shortened(const std::string& text, std::size_t& left_out) {
  left_out = 0;
  if (text.size() <= kLongestText) return text;
  const std::size_t tail = kLongestText / 4, head = kLongestText - tail;
  left_out = text.size() - head - tail;
  return replace_invalid_utf8(text.substr(0, head)) + "\n[…]\n" + replace_invalid_utf8(text.substr(text.size() - tail));
}

std::string shortened(const std::string& text) {
  std::size_t ignored = 0;
  return shortened(text, ignored);
}

double mean_of(const std::vector<float>& values) {
  double sum = 0.0;
  for (const float value : values) sum += static_cast<double>(value);
  return sum / static_cast<double>(values.size());
}

/// Mean over the tokens of exp(d) - d - 1, d = reference - policy.
double mean_kl(const AuditCompletion& completion) {
  double sum = 0.0;
  for (std::size_t i = 0; i < completion.log_probs.size(); ++i) {
    const double d = static_cast<double>(completion.ref_log_probs[i]) - static_cast<double>(completion.log_probs[i]);
    sum += std::exp(std::min(d, 20.0)) - d - 1.0;
  }
  return sum / static_cast<double>(completion.log_probs.size());
}

Json reward_json(const AuditReward& reward) {
  if (reward.failed) return {{"failed", shortened(reward.why.empty() ? "no reason given" : reward.why)}};
  Json json = {{"value", reward.value ? number(*reward.value) : Json(nullptr)}};
  if (!reward.why.empty()) json["why"] = shortened(reward.why);
  return json;
}

Json completion_json(const AuditCompletion& completion) {
  Json json = {{"total", rounded(completion.total)}, {"length", completion.tokens}, {"truncated", completion.truncated}};
  if (completion.advantage) json["advantage"] = rounded(*completion.advantage);
  if (!completion.mode.empty()) json["mode"] = shortened(completion.mode);
  json["rewards"] = Json::array();
  for (const AuditReward& reward : completion.rewards) json["rewards"].push_back(reward_json(reward));
  const std::size_t tokens = completion.log_probs.size();
  const bool compared = tokens > 0 && completion.ref_log_probs.size() == tokens;
  if (compared) json["kl"] = rounded(mean_kl(completion));
  if (!completion.entropies.empty()) json["entropy"] = rounded(mean_of(completion.entropies));
  const bool coloured = completion.pieces.size() == tokens && tokens > 0 && tokens <= kMostPieces && completion.text.size() <= kLongestText;
  if (!coloured) {
    std::size_t left_out = 0;
    json["text"] = shortened(completion.text, left_out);
    if (left_out > 0) json["left_out"] = left_out;
    return json;
  }
  json["pieces"] = completion.pieces;
  json["special"] = completion.special;
  json["log_probs"] = rounded(completion.log_probs);
  if (compared) json["ref_log_probs"] = rounded(completion.ref_log_probs);
  if (completion.entropies.size() == tokens) json["entropies"] = rounded(completion.entropies);
  return json;
}

Json group_json(const AuditGroup& group, const std::string& why) {
  Json json = {{"step", group.step},
               {"index", group.index},
               {"why", why},
               {"source", shortened(group.source)},
               {"prompt", shortened(group.prompt)},
               {"question", shortened(group.question)},
               {"solution", shortened(group.solution)}};
  json["completions"] = Json::array();
  for (const AuditCompletion& completion : group.completions) json["completions"].push_back(completion_json(completion));
  return json;
}

Json alarm_json(const Alarm& a) {
  return {{"id", a.id},       {"title", a.title}, {"message", a.message}, {"advice", a.advice},    {"rule", a.rule},
          {"first", a.first}, {"last", a.last},   {"count", a.count},     {"examples", a.examples}};
}

Alarm read_alarm(const Json& j) {
  return {j.at("id"),    j.at("title"), j.at("message"), j.at("advice"),  j.at("rule"),
          j.at("first"), j.at("last"),  j.at("count"),   j.at("examples")};
}

bool is_evaluation(const std::map<std::string, double>& metrics) {
  return std::any_of(metrics.begin(), metrics.end(), [](const auto& metric) { return metric.first.starts_with("eval_"); });
}

/// One point per `bucket` steps: the mean of those that have the value, and the last step.
Json curves_json(const std::vector<std::int64_t>& steps, const std::map<std::string, std::vector<double>>& values) {
  const std::size_t bucket = (steps.size() + kMostPoints - 1) / kMostPoints;
  Json json = {{"bucket", std::max<std::size_t>(bucket, 1)}, {"steps", Json::array()}, {"values", Json::object()}};
  for (std::size_t i = 0; i < steps.size(); i += bucket) json["steps"].push_back(steps[std::min(i + bucket, steps.size()) - 1]);
  for (const auto& [name, all] : values) {
    Json& list = json["values"][name] = Json::array();
    for (std::size_t i = 0; i < steps.size(); i += bucket) {
      double sum = 0.0, count = 0.0;
      for (std::size_t k = i; k < std::min(i + bucket, steps.size()); ++k) {
        if (!std::isfinite(all[k])) continue;
        sum += all[k];
        count += 1.0;
      }
      list.push_back(count > 0.0 ? rounded(sum / count) : Json(nullptr));
    }
  }
  return json;
}

/// `page` with `text` in place of the marker.
void fill(std::string& page, std::string_view marker, std::string_view text) { page.replace(page.find(marker), marker.size(), text); }

}  // namespace

void HtmlReport::Curves::add(std::int64_t step, const std::map<std::string, double>& metrics) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  for (const auto& [name, value] : metrics)
    if (values.count(name) == 0) values[name].assign(steps.size(), kNone);
  steps.push_back(step);
  for (auto& [name, list] : values) {
    const auto found = metrics.find(name);
    list.push_back(found == metrics.end() ? kNone : found->second);
  }
}

HtmlReport::HtmlReport(std::filesystem::path path, ReportAbout about, std::size_t max_bytes, const std::filesystem::path& metrics_file,
                       std::int64_t resume_step)
    : path_(std::move(path)), about_(std::move(about)), kept_(max_bytes), max_bytes_(max_bytes) {
  if (resume_step <= 0) return;
  std::ifstream in(metrics_file, std::ios::binary);
  for (std::string line; std::getline(in, line);) {
    const Json json = Json::parse(line, nullptr, false);
    if (!json.is_object() || !json.contains("step") || !json["step"].is_number_integer() || json["step"] > resume_step) continue;
    std::map<std::string, double> metrics;
    for (const auto& [name, value] : json.items())
      if (name != "step" && value.is_number()) metrics[name] = value.get<double>();
    record(json["step"].get<std::int64_t>(), metrics);
  }
  restore(resume_step);
}

void HtmlReport::restore(std::int64_t resume_step) {
  std::string page;
  try {
    page = read_file(path_, 4 * max_bytes_ + (std::size_t{64} << 20));
  } catch (const Error&) {
    return;  // none yet
  }
  const std::size_t begin = page.find(kDataBegins);
  if (begin == std::string::npos) return;
  const std::size_t from = begin + kDataBegins.size(), end = page.find('\n', from);
  const Json data = Json::parse(page.substr(from, end - from), nullptr, false);
  if (data.is_discarded()) return;
  try {
    for (const Json& alarm : data.at("alarms"))
      if (alarm.at("first").get<std::int64_t>() <= resume_step) earlier_alarms_.push_back(read_alarm(alarm));
    for (Alarm& alarm : earlier_alarms_) alarm.last = std::min(alarm.last, resume_step);
    for (const Json& group : data.at("groups")) {
      const auto step = group.at("step").get<std::int64_t>();
      const bool pinned =
          std::any_of(earlier_alarms_.begin(), earlier_alarms_.end(), [&](const Alarm& alarm) { return alarm.first == step; });
      if (step <= resume_step) kept_.add(step, embed(group), pinned);
    }
  } catch (const Json::exception&) {
    return;  // somebody else's page, or that of another version: what was read so far is kept
  }
}

void HtmlReport::record(std::int64_t step, const std::map<std::string, double>& metrics) {
  (is_evaluation(metrics) ? evaluations_ : curves_).add(step, metrics);
  step_ = step;
}

void HtmlReport::keep(const AuditGroup& group, const std::string& why, bool pinned) {
  kept_.add(group.step, embed(group_json(group, why)), pinned);
}

std::string HtmlReport::data(const std::vector<Alarm>& alarms, bool finished) const {
  Json json = {{"run",
                {{"name", about_.name},
                 {"objective", about_.objective},
                 {"model", about_.model},
                 {"coefficient", about_.coefficient},
                 {"prompts_per_step", about_.prompts_per_step},
                 {"num_generations", about_.num_generations},
                 {"total_steps", about_.total_steps}}},
               {"step", step_},
               {"finished", finished},
               {"written", static_cast<std::int64_t>(std::time(nullptr))},
               {"kept", fmt::format("Kept here: of each logged step the groups with the highest and the lowest mean reward, the one with "
                                    "the widest spread, and examples of alarms; of the steps the first, the newest, those of alarms, and "
                                    "others evenly spaced, up to {} MB. With log_completions, completions/ has all.",
                                    max_bytes_ / 1000000)},
               {"rewards", Json::array()},
               {"alarms", Json::array()}};
  for (const AuditColumn& column : about_.rewards)
    json["rewards"].push_back({{"name", column.name}, {"weight", column.weight}, {"kind", to_string(column.kind)}});
  for (const Alarm& alarm : alarms) json["alarms"].push_back(alarm_json(alarm));
  json["curves"] = curves_json(curves_.steps, curves_.values);
  json["evaluations"] = curves_json(evaluations_.steps, evaluations_.values);
  std::string text = embed(json);
  text.pop_back();
  text += ",\"groups\":[";
  bool first = true;
  for (const std::string& group : kept_.all()) {
    text += (first ? "" : ",") + group;
    first = false;
  }
  return text + "]}";
}

void HtmlReport::write(const std::vector<Alarm>& alarms, bool finished) const {
  std::string page = detail::kReportPage;
  fill(page, "/*{style}*/", detail::kReportStyle);
  fill(page, "/*{script}*/", detail::kReportScript);
  fill(page, "/*{data}*/", data(alarms, finished));
  const std::filesystem::path fresh = path_.string() + ".partial";
  write_file(fresh, page);
  rename_durably(fresh, path_);
}

}  // namespace grpo
