/// What metrics.jsonl tells of a run as a whole: the curves of a model card, evaluations, seconds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace grpo {

struct RunRecord {
  using Curve = std::vector<std::pair<std::int64_t, double>>;         ///< step and value, in order
  std::map<std::string, Curve> curves;                                ///< of those asked for that have finite values
  std::map<std::int64_t, std::map<std::string, double>> evaluations;  ///< step -> "eval_rewards/..." and what else begins with eval_
  double seconds_per_step = 0.0;                                      ///< mean of the logged steps; 0: none was logged
};

/// Up to and with `last_step`. A file that is not there, and lines that do not read, say nothing. cost: one pass over the file
RunRecord read_run_record(const std::filesystem::path& metrics_file, const std::vector<std::string>& names, std::int64_t last_step);

/// One picture with a panel per curve, in the order of `titles` (metric -> title); those without points are left out. Empty if none is
/// left. Above kMostPoints each point is the mean of several steps.
std::string draw_curves(const RunRecord& record, const std::vector<std::pair<std::string, std::string>>& titles);

}  // namespace grpo
