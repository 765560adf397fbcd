#include "libgrpo/base/error.hpp"
#include "libgrpo/config/field.hpp"
#include "libgrpo/reward/builtin.hpp"
#include "libgrpo/reward/external.hpp"
#include "libgrpo/reward/reward_args.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace grpo {
namespace {

struct Known {
  std::string_view name;
  std::unique_ptr<RewardFn> (*make)(const RewardSettings&);
};

template <std::unique_ptr<RewardFn> (*make)()>
std::unique_ptr<RewardFn> plain(const RewardSettings& settings) {
  auto reward = make();
  detail::RewardArgs(reward->name(), settings.args).done();
  return reward;
}

// Every reward that a recipe can name, sorted. A new one: one line here and one in builtin.hpp.
constexpr std::array kKnown = {
    Known{"answer_accuracy", plain<detail::make_answer_accuracy>},
    Known{"boxed_accuracy", plain<detail::make_boxed_accuracy>},
    Known{"choice", detail::make_choice},
    Known{"cosine", detail::make_cosine},
    Known{"countdown", plain<detail::make_countdown>},
    Known{"format", plain<detail::make_format>},
    Known{"graph_colouring", plain<detail::make_graph_colouring>},
    Known{"length", plain<detail::make_length>},
    Known{"math_verify", plain<detail::make_math_verify>},
    Known{"pure_accuracy_math", plain<detail::make_pure_accuracy_math>},
    Known{"pure_accuracy_math_graded", plain<detail::make_pure_accuracy_math_graded>},
    Known{"python_unit_tests", detail::make_python_unit_tests},
    Known{"reasoning_steps", plain<detail::make_reasoning_steps>},
    Known{"regex", detail::make_regex},
    Known{"repetition_penalty", detail::make_repetition_penalty},
    Known{"soft_overlong_punishment", detail::make_soft_overlong_punishment},
    Known{"stdin_stdout", detail::make_stdin_stdout},
    Known{"tag_count", plain<detail::make_tag_count>},
    Known{"think_answer_format", plain<detail::make_think_answer_format>},
    Known{"think_format", plain<detail::make_think_format>},
};

}  // namespace

std::vector<std::string> reward_names() {
  std::vector<std::string> names;
  for (const Known& known : kKnown) names.emplace_back(known.name);
  return names;
}

std::unique_ptr<RewardFn> make_reward(std::string_view name, const RewardSettings& settings) {
  if (auto external = detail::make_external(name, settings)) return external;
  for (const Known& known : kKnown) {
    if (known.name == name) return known.make(settings);
  }
  const std::vector<std::string> near = nearest_names(std::string(name), reward_names());
  std::vector<std::string> listed = near;
  for (std::string& known : reward_names()) {
    if (std::find(near.begin(), near.end(), known) == near.end()) listed.push_back(std::move(known));
  }
  throw Error{ErrorKind::recipe, fmt::format("reward_funcs: no reward \"{}\"{}; known rewards: {}; a program, a server or a shared library "
                                             "gets its name by reward_command, reward_url or reward_library",
                                             name.substr(0, 64), near.empty() ? "" : fmt::format("; did you mean \"{}\"?", near.front()),
                                             fmt::join(listed, ", "))};
}

}  // namespace grpo
