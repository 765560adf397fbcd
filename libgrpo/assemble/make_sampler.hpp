/// Who samples: the engine in this process, or the servers that a recipe names.
#pragma once

#include "libgrpo/base/log.hpp"
#include "libgrpo/config/recipe.hpp"
#include "libgrpo/dist/world.hpp"
#include "libgrpo/policy/causal_lm.hpp"
#include "libgrpo/sampler/sampler.hpp"
#include "libgrpo/text/tokenizer.hpp"

#include <memory>
#include <string>
#include <vector>

namespace grpo {

/// `policy`, `tokenizer` and `world` must outlive it. Nothing is sent anywhere yet. throws: Error{recipe} for a bad address
std::unique_ptr<Sampler> make_sampler(const Recipe& recipe, const CausalLm& policy, const Tokenizer& tokenizer, World& world,
                                      const Log& log);

/// Addresses of the servers that sample; empty: the engine in this process does.
std::vector<std::string> server_urls(const ServerOptions& options);

}  // namespace grpo
