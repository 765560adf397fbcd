#include "libgrpo/assemble/objectives.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/objective/grpo.hpp"
#include "libgrpo/objective/hybrid.hpp"
#include "libgrpo/objective/listwise.hpp"
#include "libgrpo/objective/maxent_clip.hpp"
#include "libgrpo/objective/token_entropy.hpp"
#include "libgrpo/objective/weighted_mle.hpp"
#include "libgrpo/objective/xdr.hpp"

#include <array>

namespace grpo {
namespace {

using Made = std::unique_ptr<Objective>;

template <class T>
Made make_maxent(const Recipe& r, const ObjectiveContext& c) {
  return std::make_unique<T>(r.objective, r.maxent, c);
}

struct Known {
  MaxentObjective name;
  Made (*make)(const Recipe&, const ObjectiveContext&);
};

constexpr std::array kKnown = {
    Known{MaxentObjective::none, [](const Recipe& r, const ObjectiveContext& c) -> Made { return std::make_unique<Grpo>(r.objective, c); }},
    Known{MaxentObjective::listwise, make_maxent<Listwise>},
    Known{MaxentObjective::weighted_mle, make_maxent<WeightedMle>},
    Known{MaxentObjective::clip, make_maxent<MaxentClip>},
    Known{MaxentObjective::xdr, make_maxent<Xdr>},
    Known{MaxentObjective::token_entropy, make_maxent<TokenEntropy>},
    Known{MaxentObjective::hybrid, make_maxent<Hybrid>},
};

}  // namespace

ObjectiveContext objective_context(const Recipe& recipe, std::int64_t vocab_size, std::int64_t warmup_steps) {
  return {recipe.sampling.num_generations, recipe.sampling.max_completion_length, vocab_size, warmup_steps};
}

std::unique_ptr<Objective> make_objective(const Recipe& recipe, const ObjectiveContext& context) {
  for (const Known& known : kKnown)
    if (known.name == recipe.maxent.maxent_objective) return known.make(recipe, context);
  throw Error(ErrorKind::contract, "maxent_objective is not in the table of objectives");
}

}  // namespace grpo
