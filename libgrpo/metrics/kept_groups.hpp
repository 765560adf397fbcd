/// Which completions a report keeps, so that it stays small however long the run is.
///
/// Of each logged step: the groups with the highest and the lowest mean reward, the one with the widest spread, and those that an
/// alarm points at. Of the steps: the first, the newest kNewest, and those at which an alarm fired first; of the others, whenever
/// they hold more than the budget, the one whose neighbours lie closest together goes, which leaves them evenly spread.
#pragma once

#include "libgrpo/metrics/audit.hpp"
#include "libgrpo/metrics/run_watch.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace grpo {

class KeptGroups {
 public:
  static constexpr std::size_t kNewest = 4;

  explicit KeptGroups(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  /// Positions in `groups` worth keeping, each with why ("highest reward"), in order.
  static std::vector<std::pair<std::size_t, std::string>> choose(const std::vector<AuditGroup>& groups, const std::vector<Alarm>& fresh);

  /// A group as JSON. `pinned`: an alarm fired at its step for the first time. Other steps may be dropped for it.
  void add(std::int64_t step, std::string json, bool pinned);
  [[nodiscard]] std::vector<std::string> all() const;  ///< oldest step first
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] std::vector<std::int64_t> steps() const;

 private:
  struct Step {
    std::vector<std::string> groups;
    std::size_t bytes = 0;
    bool pinned = false;
  };
  bool drop_one();

  std::size_t max_bytes_, bytes_ = 0;
  std::map<std::int64_t, Step> steps_;
};

}  // namespace grpo
