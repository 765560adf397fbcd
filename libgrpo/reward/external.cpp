#include "libgrpo/reward/external.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/config/field.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

namespace grpo::detail {
namespace {

using Json = nlohmann::json;

struct Option {
  const char* name;
  const std::string& tables;
  const char* example;
};

std::array<Option, 3> options(const RewardSettings& settings) {
  return {Option{"reward_command", settings.commands, R"({"mine": "python3 mine.py"})"},
          Option{"reward_url", settings.urls, R"({"judge": "http://127.0.0.1:8000/score"})"},
          Option{"reward_library", settings.libraries, R"({"mine": "./libmine.so"})"}};
}

[[noreturn]] void refuse(const Option& option, const std::string& text) {
  throw Error(ErrorKind::recipe, fmt::format("{}: {}", option.name, text));
}

Json table_of(const Option& option) {
  Json json = Json::parse(option.tables, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) refuse(option, fmt::format("expected a table such as {}, got {}", option.example, show_text(option.tables)));
  return json;
}

std::string text_of(const Option& option, const std::string& name, const Json& value) {
  if (!value.is_string() || value.get<std::string>().empty())
    refuse(option, fmt::format("{} = {}: expected a text, as in {}", show_text(name), show_text(value.dump()), option.example));
  return value.get<std::string>();
}

/// A text goes to the shell, so quotes and variables work as everywhere; a list of words is run as it is.
std::vector<std::string> words_of(const Option& option, const std::string& name, const Json& value) {
  if (!value.is_array()) return {"/bin/sh", "-c", text_of(option, name, value)};
  std::vector<std::string> words;
  for (const Json& word : value) {
    if (!word.is_string()) refuse(option, fmt::format("{} = {}: expected a list of texts", show_text(name), show_text(value.dump())));
    words.push_back(word.get<std::string>());
  }
  if (words.empty() || words.front().empty()) refuse(option, fmt::format("{}: the list of words is empty", show_text(name)));
  return words;
}

}  // namespace

std::unique_ptr<RewardFn> make_external(std::string_view name, const RewardSettings& settings) {
  const std::string key(name);
  const auto [command, url, library] = options(settings);
  if (const Json table = table_of(command); table.contains(key))
    return make_program_reward(key, words_of(command, key, table[key]), settings);
  if (const Json table = table_of(url); table.contains(key)) return make_http_reward(key, text_of(url, key, table[key]), settings);
  if (const Json table = table_of(library); table.contains(key))
    return make_library_reward(key, text_of(library, key, table[key]), settings);
  return nullptr;
}

void check_external(const RewardSettings& settings, const std::vector<std::string>& rewards) {
  const std::vector<std::string> known = reward_names();
  std::vector<std::pair<std::string, const char*>> seen;
  for (const Option& option : options(settings)) {
    const Json table = table_of(option);
    for (const auto& [name, value] : table.items()) {
      if (std::find(known.begin(), known.end(), name) != known.end())
        refuse(option, fmt::format("\"{}\" is a reward of the library; choose another name", name));
      for (const auto& [other, where] : seen)
        if (other == name) refuse(option, fmt::format("{} is named in {}, too; choose another name", show_text(name), where));
      seen.emplace_back(name, option.name);
      if (std::find(rewards.begin(), rewards.end(), name) != rewards.end()) continue;
      const auto near = nearest_names(name, rewards);
      refuse(option, fmt::format("{} is not one of reward_funcs{}", show_text(name),
                                 near.empty() ? "; add it there" : fmt::format("; did you mean \"{}\"?", near.front())));
    }
  }
}

std::string item_json(std::uint64_t id, const Prompt& prompt, const Completion& completion) {
  Json messages = Json::array();
  for (const Message& message : prompt.messages) messages.push_back({{"role", message.role}, {"content", message.content}});
  const Json item = {{"id", id},
                     {"prompt", prompt.text},
                     {"messages", std::move(messages)},
                     {"completion", completion.text},
                     {"solution", prompt.solution},
                     {"columns", prompt.columns},
                     {"source", prompt.source},
                     {"tokens", completion.ids.size()},
                     {"finish", to_string(completion.finish)}};
  return item.dump(-1, ' ', false, Json::error_handler_t::replace);
}

namespace {

constexpr std::size_t kLongestReason = 1000;

Reward broken(const std::string& what) { return Reward::failed("answered " + what); }

Answer answer_of(const Json& json) {
  if (!json.is_object())
    return {{}, broken("no JSON object but " + show_text(json.dump(-1, ' ', false, Json::error_handler_t::replace))), true};
  Answer answer{{}, Reward::not_applicable(), false};
  if (const auto id = json.find("id"); id != json.end() && id->is_number_integer() && id->get<std::int64_t>() >= 0)
    answer.id = id->get<std::uint64_t>();
  const auto text = [&](const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_string() ? found->get<std::string>().substr(0, kLongestReason) : std::string();
  };
  const auto error = json.find("error");
  const auto other = json.find("not_applicable");
  const auto reward = json.find("reward");
  if (error != json.end() && !error->is_null()) {
    answer.verdict = Reward::failed(error->is_string() ? show_text(text("error"), kLongestReason) : "error " + show_text(error->dump()));
  } else if (other != json.end() && other->is_boolean() && other->get<bool>()) {
    answer.verdict = Reward::not_applicable();
  } else if (reward == json.end()) {
    answer = {answer.id, broken("without a \"reward\": " + show_text(json.dump())), true};
  } else if (reward->is_number()) {
    answer.verdict = Reward::of(reward->get<double>(), text("reason"));
  } else if (!reward->is_null()) {
    answer = {answer.id, broken("with a reward that is no number: " + show_text(reward->dump())), true};
  }
  return answer;
}

}  // namespace

Answer read_answer(std::string_view text) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return {{}, broken("no JSON: " + show_text(text)), true};
  return answer_of(json);
}

std::vector<Reward> read_answers(std::string_view text, std::uint64_t first, std::size_t count) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  const auto found = json.is_object() ? json.find("verdicts") : json.end();
  if (!json.is_object() || found == json.end() || !found->is_array())
    return std::vector<Reward>(count, broken("no {\"verdicts\": [...]} but " + show_text(text)));
  std::vector<Reward> verdicts(count, Reward::failed("answered without a verdict of this id"));
  std::vector<bool> seen(count, false);
  for (const Json& item : *found) {
    const Answer answer = answer_of(item);
    if (!answer.id || *answer.id < first || *answer.id - first >= count) continue;
    const auto at = static_cast<std::size_t>(*answer.id - first);
    verdicts[at] = seen[at] ? Reward::failed("answered twice for one id") : answer.verdict;
    seen[at] = true;
  }
  return verdicts;
}

}  // namespace grpo::detail
