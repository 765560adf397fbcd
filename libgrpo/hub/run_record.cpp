#include "libgrpo/hub/run_record.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <fmt/format.h>
#include <fstream>
#include <nlohmann/json.hpp>

namespace grpo {
namespace {

using Json = nlohmann::json;
constexpr std::size_t kMostPoints = 250;  // of a panel
constexpr double kWidth = 360, kHeight = 200, kLeft = 56, kTop = 34, kPlotWidth = 284, kPlotHeight = 124;

std::vector<std::pair<double, double>> thinned(const RunRecord::Curve& curve) {
  const std::size_t each = (curve.size() + kMostPoints - 1) / kMostPoints;
  std::vector<std::pair<double, double>> points;
  for (std::size_t i = 0; i < curve.size(); i += each) {
    const std::size_t count = std::min(each, curve.size() - i);
    double step = 0.0, value = 0.0;
    for (std::size_t j = i; j < i + count; ++j) {
      step += static_cast<double>(curve[j].first);
      value += curve[j].second;
    }
    points.emplace_back(step / static_cast<double>(count), value / static_cast<double>(count));
  }
  return points;
}

/// A title is ours, so nothing in it has to be escaped.
std::string panel(const std::string& title, const RunRecord::Curve& curve, double x, double y) {
  const auto points = thinned(curve);
  const auto [low, high] = std::minmax_element(points.begin(), points.end(), [](auto& a, auto& b) { return a.second < b.second; });
  const double bottom = low->second, range = std::max(high->second - bottom, 1e-12);
  const double first = points.front().first, steps = std::max(points.back().first - first, 1.0);
  std::string path;
  for (const auto& [step, value] : points)
    path += fmt::format("{:.1f},{:.1f} ", x + kLeft + kPlotWidth * (step - first) / steps,
                        y + kTop + kPlotHeight * (1.0 - (value - bottom) / range));
  const auto text = [](double at_x, double at_y, const char* anchor, const std::string& words) {
    return fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\" text-anchor=\"{}\">{}</text>\n", at_x, at_y, anchor, words);
  };
  std::string svg = text(x + kLeft, y + 20, "start", title);
  svg += text(x + kLeft - 6, y + kTop + 8, "end", fmt::format("{:.3g}", high->second));
  svg += text(x + kLeft - 6, y + kTop + kPlotHeight, "end", fmt::format("{:.3g}", bottom));
  svg += text(x + kLeft, y + kTop + kPlotHeight + 18, "start", fmt::format("step {}", curve.front().first));
  svg += text(x + kLeft + kPlotWidth, y + kTop + kPlotHeight + 18, "end", fmt::format("{}", curve.back().first));
  svg += fmt::format("<rect x=\"{:.0f}\" y=\"{:.0f}\" width=\"{:.0f}\" height=\"{:.0f}\" fill=\"none\" stroke=\"#c8ccd0\"/>\n", x + kLeft,
                     y + kTop, kPlotWidth, kPlotHeight);
  svg += fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"#1f6fb4\" stroke-width=\"1.5\"/>\n", path);
  return svg;
}

}  // namespace

RunRecord read_run_record(const std::filesystem::path& metrics_file, const std::vector<std::string>& names, std::int64_t last_step) {
  RunRecord record;
  double seconds = 0.0;
  std::size_t timed = 0;
  std::ifstream in(metrics_file);
  for (std::string line; std::getline(in, line);) {
    const Json json = Json::parse(line, nullptr, false);
    if (!json.is_object() || !json.contains("step") || !json["step"].is_number_integer()) continue;
    const auto step = json["step"].get<std::int64_t>();
    if (step > last_step) continue;
    for (const auto& [name, value] : json.items())
      if (name.starts_with("eval_") && value.is_number()) record.evaluations[step][name] = value.get<double>();
    for (const std::string& name : names)
      if (json.contains(name) && json[name].is_number() && std::isfinite(json[name].get<double>()))
        record.curves[name].emplace_back(step, json[name].get<double>());
    if (json.contains("time/step") && json["time/step"].is_number()) {
      seconds += json["time/step"].get<double>();
      ++timed;
    }
  }
  if (timed > 0) record.seconds_per_step = seconds / static_cast<double>(timed);
  return record;
}

std::string draw_curves(const RunRecord& record, const std::vector<std::pair<std::string, std::string>>& titles) {
  std::string panels;
  int count = 0;
  for (const auto& [name, title] : titles) {
    const auto curve = record.curves.find(name);
    if (curve == record.curves.end() || curve->second.empty()) continue;
    panels += panel(title, curve->second, kWidth * (count % 2), kHeight * (count / 2));
    ++count;
  }
  if (count == 0) return {};
  const double width = kWidth * std::min(count, 2), height = kHeight * ((count + 1) / 2);
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
      "font-family=\"sans-serif\" font-size=\"12\" fill=\"#30363d\">\n<rect width=\"{0:.0f}\" height=\"{1:.0f}\" "
      "fill=\"#ffffff\"/>\n{2}</svg>\n",
      width, height, panels);
}

}  // namespace grpo
