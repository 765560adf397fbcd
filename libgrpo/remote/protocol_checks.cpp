#include "libgrpo/base/random.hpp"
#include "libgrpo/remote/protocols.inl"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>

namespace grpo::remote {

using Json = nlohmann::json;

bool Answer::whole() const {
  return std::all_of(completions.begin(), completions.end(), [](const auto& completion) { return completion.has_value(); });
}

std::int64_t seed_of(std::uint64_t seed, std::uint64_t prompt_id) {
  const auto mixed = philox4x32({static_cast<std::uint32_t>(prompt_id), static_cast<std::uint32_t>(prompt_id >> 32), 0, 0},
                                {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
  return static_cast<std::int64_t>(mixed[0] >> 1);
}

const Json& member(const Json& object, const char* name) {
  static const Json nothing;
  const auto found = object.is_object() ? object.find(name) : object.end();
  return object.is_object() && found != object.end() ? *found : nothing;
}

std::vector<std::int32_t> read_ids(const Json& list, std::int64_t vocab_size) {
  if (!list.is_array() || list.empty()) throw Unusable{"it has no token ids"};
  std::vector<std::int32_t> ids;
  for (const Json& id : list) {
    if (!id.is_number_integer() || id.get<std::int64_t>() < 0 || id.get<std::int64_t>() >= vocab_size)
      throw Unusable{fmt::format("token id {:.40} lies outside the vocabulary of {}", id.dump(), vocab_size)};
    ids.push_back(id.get<std::int32_t>());
  }
  return ids;
}

std::vector<float> read_log_probs(const Json& list, std::size_t tokens) {
  constexpr float kRounding = 1e-3F;  // a server in half precision may say a little more than 0
  if (!list.is_array() || list.size() != tokens)
    throw Unusable{fmt::format("{} log-probs for {} tokens", list.is_array() ? list.size() : 0, tokens)};
  std::vector<float> log_probs;
  for (const Json& value : list) {
    const float log_prob = value.is_number() ? value.get<float>() : NAN;
    if (!std::isfinite(log_prob) || log_prob > kRounding) throw Unusable{fmt::format("a log-prob is {:.40}", value.dump())};
    log_probs.push_back(std::min(log_prob, 0.0F));
  }
  return log_probs;
}

std::vector<float> read_entropies(const Json& list, std::size_t tokens) {
  if (!list.is_array() || list.size() != tokens)
    throw Unusable{fmt::format("{} entropies for {} tokens", list.is_array() ? list.size() : 0, tokens)};
  std::vector<float> entropies;
  for (const Json& value : list) {
    const float entropy = value.is_number() ? value.get<float>() : NAN;
    if (!std::isfinite(entropy) || entropy < -1e-3F) throw Unusable{fmt::format("an entropy is {:.40}", value.dump())};
    entropies.push_back(entropy);
  }
  return entropies;
}

Completion checked(Completion completion, const Reading& reading) {
  const SamplingParams& p = reading.params;
  const auto length = static_cast<std::int64_t>(completion.ids.size());
  if (length > p.max_completion_length || length < std::min(p.min_completion_length, p.max_completion_length))
    throw Unusable{
        fmt::format("it has {} tokens, where {} to {} were asked for", length, p.min_completion_length, p.max_completion_length)};
  if (completion.finish == FinishReason::length && length != p.max_completion_length)
    throw Unusable{
        fmt::format("it was cut at {} tokens, where {} were asked for: is the server's context shorter?", length, p.max_completion_length)};
  completion.text = reading.tokenizer.decode(completion.ids);
  return completion;
}

}  // namespace grpo::remote
