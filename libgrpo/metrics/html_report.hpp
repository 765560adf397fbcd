/// output_dir/report.html: one file without any network that shows a run's curves, its completions with everything said of them, and
/// the alarms. The page itself is libgrpo/metrics/report/; this class fills in the data, as JSON.
///
/// Written whole to a file beside it and renamed, so a reader never sees half of it. Its size is bounded: completions by KeptGroups,
/// texts by kLongestText, curves by kMostPoints a curve (each point then the mean of so many logged steps).
/// A resumed run takes over completions and alarms from the file that is there, and the curves from metrics.jsonl.
#pragma once

#include "libgrpo/metrics/audit.hpp"
#include "libgrpo/metrics/kept_groups.hpp"
#include "libgrpo/metrics/run_watch.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace grpo {

inline constexpr std::size_t kLongestText = 20000;  ///< bytes of a text in the report; the middle of a longer one is left out
inline constexpr std::size_t kMostPieces = 4000;    ///< a completion of more tokens is shown as text, without colours
inline constexpr std::size_t kMostPoints = 2000;

/// What the report says of the run as a whole.
struct ReportAbout {
  std::string name, objective, model;
  std::string coefficient = "advantage";  ///< what AuditCompletion::advantage is called
  std::int64_t prompts_per_step = 0, num_generations = 0, total_steps = 0;
  std::vector<AuditColumn> rewards;
};

class HtmlReport {
 public:
  /// `resume_step` > 0: continues what `path` and `metrics_file` hold up to that step. A file that is no report is passed over.
  HtmlReport(std::filesystem::path path, ReportAbout about, std::size_t max_bytes, const std::filesystem::path& metrics_file,
             std::int64_t resume_step);

  /// A line of metrics.jsonl; keys that begin with "eval_" make it an evaluation's.
  void record(std::int64_t step, const std::map<std::string, double>& metrics);
  /// A group worth keeping, and why. See KeptGroups::choose().
  void keep(const AuditGroup& group, const std::string& why, bool pinned);
  /// cost: the size of the file. throws: Error{backend} if it cannot be written
  void write(const std::vector<Alarm>& alarms, bool finished) const;

  /// Alarms that the file of an earlier part of the run held, up to the resume step.
  [[nodiscard]] const std::vector<Alarm>& earlier_alarms() const { return earlier_alarms_; }
  [[nodiscard]] const KeptGroups& kept() const { return kept_; }

 private:
  struct Curves {
    std::vector<std::int64_t> steps;
    std::map<std::string, std::vector<double>> values;  // NaN where a step lacks it
    void add(std::int64_t step, const std::map<std::string, double>& metrics);
  };
  void restore(std::int64_t resume_step);
  [[nodiscard]] std::string data(const std::vector<Alarm>& alarms, bool finished) const;

  std::filesystem::path path_;
  ReportAbout about_;
  KeptGroups kept_;
  std::size_t max_bytes_;
  Curves curves_, evaluations_;
  std::vector<Alarm> earlier_alarms_;
  std::int64_t step_ = 0;
};

}  // namespace grpo
