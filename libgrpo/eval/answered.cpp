#include "libgrpo/eval/answered.hpp"

#include "libgrpo/base/error.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <charconv>

namespace grpo {
namespace {

using Json = nlohmann::ordered_json;

std::optional<std::int64_t> known_modes(const Prompt& prompt) {
  const auto found = prompt.columns.find("solutions");
  if (found == prompt.columns.end()) return std::nullopt;
  const std::string& text = found->second;
  std::int64_t count = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (problem != std::errc() || end != text.data() + text.size() || count < 1) return std::nullopt;
  return count;
}

Json to_json(const Reward& reward) {
  if (reward.has_value()) return reward.value();
  return reward.kind() == Reward::Kind::failed ? Json{{"failed", reward.why()}} : Json(nullptr);
}

Reward reward_of(const Json& json) {
  if (json.is_null()) return Reward::not_applicable();
  return json.is_object() ? Reward::failed(json.at("failed").get<std::string>()) : Reward::of(json.get<double>());
}

Answer answer_of(const Json& json, const std::vector<std::string>& reward_names) {
  Answer answer;
  answer.text = json.at("text").get<std::string>();
  answer.tokens = json.at("tokens").get<std::int64_t>();
  answer.finish = json.at("finish_reason").get<std::string>() == to_string(FinishReason::stop) ? FinishReason::stop : FinishReason::length;
  answer.mode = json.at("mode").get<std::string>();
  for (const std::string& name : reward_names) answer.verdicts.push_back(reward_of(json.at("rewards").at(name)));
  return answer;
}

}  // namespace

AnsweredQuestion answered(std::size_t question, const Group& group, const RewardTable& rewards) {
  return answered(question, group, rewards, 0);
}

AnsweredQuestion answered(std::size_t question, const Group& group, const RewardTable& rewards, std::size_t first) {
  AnsweredQuestion one{question, group.prompt.id, group.prompt.source, group.prompt.text, group.prompt.solution, known_modes(group.prompt),
                       {}};
  for (std::size_t i = 0; i < group.completions.size(); ++i) {
    const Completion& completion = group.completions[i];
    Answer answer{completion.text, static_cast<std::int64_t>(completion.ids.size()), completion.finish, {}, {}};
    if (!rewards.modes.empty()) answer.mode = rewards.modes.at(first + i);
    for (const RewardColumn& column : rewards.columns) answer.verdicts.push_back(column.rewards.at(first + i));
    one.answers.push_back(std::move(answer));
  }
  return one;
}

std::string to_json_line(const AnsweredQuestion& one, const std::vector<std::string>& reward_names) {
  Json completions = Json::array();
  for (const Answer& answer : one.answers) {
    Json rewards = Json::object();
    for (std::size_t r = 0; r < reward_names.size(); ++r) rewards[reward_names[r]] = to_json(answer.verdicts.at(r));
    completions.push_back(Json{{"text", answer.text},
                               {"tokens", answer.tokens},
                               {"finish_reason", to_string(answer.finish)},
                               {"mode", answer.mode},
                               {"rewards", rewards}});
  }
  const Json line = {{"question", one.question},  {"id", fmt::format("{:016x}", one.id)},
                     {"source", one.source},      {"prompt", one.prompt},
                     {"solution", one.solution},  {"known_modes", one.known_modes ? Json(*one.known_modes) : Json(nullptr)},
                     {"completions", completions}};
  return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

AnsweredQuestion read_answered(std::string_view line, const std::vector<std::string>& reward_names) {
  try {
    const Json json = Json::parse(line);
    AnsweredQuestion one;
    one.question = json.at("question").get<std::size_t>();
    const auto id = json.at("id").get<std::string>();
    if (std::from_chars(id.data(), id.data() + id.size(), one.id, 16).ptr != id.data() + id.size())
      throw Error(ErrorKind::data, "id is no hexadecimal number");
    one.source = json.at("source").get<std::string>();
    one.prompt = json.at("prompt").get<std::string>();
    one.solution = json.at("solution").get<std::string>();
    if (const Json& known = json.at("known_modes"); !known.is_null()) one.known_modes = known.get<std::int64_t>();
    for (const Json& completion : json.at("completions")) one.answers.push_back(answer_of(completion, reward_names));
    return one;
  } catch (const Json::exception& error) {
    throw Error(ErrorKind::data, error.what());
  }
}

}  // namespace grpo
