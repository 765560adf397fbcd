/// What the field lists are written with: enums seen by their names, and the usual ranges. For fields*.cpp alone.
#pragma once

#include "libgrpo/config/field.hpp"

#include <string>
#include <utility>
#include <vector>

namespace grpo {

std::vector<Field> data_fields(DataOptions& options);
std::vector<Field> objective_fields(ObjectiveOptions& options);
std::vector<Field> maxent_fields(MaxentOptions& options);
std::vector<Field> reward_fields(RewardOptions& options);
std::vector<Field> dist_fields(DistOptions& options);
std::vector<Field> server_fields(ServerOptions& options);
std::vector<Field> report_fields(ReportOptions& options);
std::vector<Field> hub_fields(HubOptions& options);

namespace field_list {

/// `names` are the enumerators' own, in their order.
template <class E>
EnumSlot one_of(E& member, std::vector<std::string> names) {
  return {std::move(names), [&member] { return static_cast<std::size_t>(member); },
          [&member](std::size_t i) { member = static_cast<E>(i); }};
}

inline Range at_least(double low) { return {.low = low}; }
inline Range above(double low) { return {.low = low, .low_open = true}; }
inline Range closed(double low, double high) { return {.low = low, .high = high}; }
inline Range open(double low, double high) { return {.low = low, .high = high, .low_open = true, .high_open = true}; }
inline Range left_open(double low, double high) { return {.low = low, .high = high, .low_open = true}; }
inline Range right_open(double low, double high) { return {.low = low, .high = high, .high_open = true}; }
inline Range at_least_or_infinite(double low) { return {.low = low, .infinite = true}; }
inline Range count(double low) { return {.low = low, .high = kMaxCount}; }
inline Range count_or(double special, double low) { return {.low = low, .high = kMaxCount, .special = special}; }

}  // namespace field_list
}  // namespace grpo
