#include "libgrpo/metrics/kept_groups.hpp"

#include <algorithm>
#include <iterator>
#include <limits>

namespace grpo {

std::vector<std::pair<std::size_t, std::string>> KeptGroups::choose(const std::vector<AuditGroup>& groups,
                                                                    const std::vector<Alarm>& fresh) {
  std::map<std::size_t, std::string> chosen;
  if (groups.empty()) return {};
  const auto by = [&](auto value) {
    const auto at =
        std::max_element(groups.begin(), groups.end(), [&](const AuditGroup& a, const AuditGroup& b) { return value(a) < value(b); });
    return static_cast<std::size_t>(at - groups.begin());
  };
  chosen.try_emplace(by([](const AuditGroup& g) { return g.mean_reward(); }), "highest reward");
  chosen.try_emplace(by([](const AuditGroup& g) { return -g.mean_reward(); }), "lowest reward");
  chosen.try_emplace(by([](const AuditGroup& g) { return g.reward_spread(); }), "widest spread");
  for (const Alarm& alarm : fresh)
    for (const std::string& key : alarm.examples)
      for (std::size_t i = 0; i < groups.size(); ++i)
        if (key.starts_with(audit_key(groups[i], 0).substr(0, audit_key(groups[i], 0).rfind('/') + 1)))
          chosen.try_emplace(i, "example of an alarm");
  return {chosen.begin(), chosen.end()};
}

void KeptGroups::add(std::int64_t step, std::string json, bool pinned) {
  Step& entry = steps_[step];
  entry.bytes += json.size();
  entry.pinned = entry.pinned || pinned;
  bytes_ += json.size();
  entry.groups.push_back(std::move(json));
  while (bytes_ > max_bytes_ && drop_one()) {
  }
}

/// Pinned steps go last; the first and the newest ones only where nothing else is left, and never the newest of all.
bool KeptGroups::drop_one() {
  if (steps_.size() <= 1) return false;
  const auto newest = std::prev(steps_.end(), static_cast<std::ptrdiff_t>(std::min(kNewest, steps_.size() - 1)));
  auto best = steps_.end();
  for (const bool pinned : {false, true}) {
    auto least = std::numeric_limits<std::int64_t>::max();
    for (auto at = std::next(steps_.begin()); at != newest; ++at) {
      const std::int64_t gap = std::next(at)->first - std::prev(at)->first;
      if (at->second.pinned != pinned || gap >= least) continue;
      least = gap;
      best = at;
    }
    if (best != steps_.end()) break;
  }
  if (best == steps_.end()) best = steps_.begin();
  bytes_ -= best->second.bytes;
  steps_.erase(best);
  return true;
}

std::vector<std::string> KeptGroups::all() const {
  std::vector<std::string> groups;
  for (const auto& [step, entry] : steps_) groups.insert(groups.end(), entry.groups.begin(), entry.groups.end());
  return groups;
}

std::vector<std::int64_t> KeptGroups::steps() const {
  std::vector<std::int64_t> list;
  for (const auto& [step, entry] : steps_) list.push_back(step);
  return list;
}

}  // namespace grpo
