// Every objective that a recipe can name, under the contract that is offered to users.
#include "tests/contract/objective_contract.hpp"

#include "libgrpo/assemble/objectives.hpp"

using namespace grpo;
using grpo::contract::objective_contract;

namespace {

std::function<std::unique_ptr<Objective>()> maker(const std::function<void(Recipe&)>& change) {
  return [change] {
    Recipe recipe;
    recipe.sampling.num_generations = 4;
    recipe.sampling.max_completion_length = 8;
    change(recipe);
    return make_objective(recipe, objective_context(recipe, 300, 0));
  };
}

void each_loss_type(
    MaxentObjective objective, bool moves = false, const std::function<void(Recipe&)>& change = [](Recipe&) {}) {
  for (int type = 0; type < 8; ++type) {
    DYNAMIC_SECTION("loss type " << type) {
      objective_contract(maker([&](Recipe& r) {
                           r.maxent.maxent_objective = objective;
                           r.objective.loss_type = static_cast<LossType>(type);
                           change(r);
                         }),
                         moves);
    }
  }
}

}  // namespace

TEST_CASE("contract: grpo family") { each_loss_type(MaxentObjective::none); }
TEST_CASE("contract: sequence ratios") {
  each_loss_type(MaxentObjective::none, false,
                 [](Recipe& r) { r.objective.importance_sampling_level = ImportanceSamplingLevel::sequence; });
}
TEST_CASE("contract: everything on") {
  each_loss_type(MaxentObjective::none, true, [](Recipe& r) {
    r.objective.beta = 0.1;
    r.objective.top_entropy_quantile = 0.5;
    r.objective.entropy_coef = 0.1;
    r.objective.use_adaptive_entropy = true;
    r.objective.entropy_target = 0.5;
    r.objective.off_policy_mask_threshold = 0.2;
    r.objective.exclude_zero_std_groups = true;
    r.objective.kl_target = 0.1;
    r.objective.kl_horizon = 10;
    r.objective.kl_ctl_step_size = 0.5;
  });
}
TEST_CASE("contract: KL in the reward") {
  objective_contract(maker([](Recipe& r) { r.objective.beta = 0.1, r.objective.kl_in_reward = true; }), true);
}
TEST_CASE("contract: estimators") {
  for (const auto estimator : {AdvantageEstimator::rloo, AdvantageEstimator::reinforce_plus_plus_baseline})
    DYNAMIC_SECTION("estimator " << static_cast<int>(estimator)) {
      objective_contract(maker([&](Recipe& r) { r.objective.advantage_estimator = estimator; }));
    }
  DYNAMIC_SECTION("reinforce_plus_plus compares over groups") {
    objective_contract(maker([&](Recipe& r) { r.objective.advantage_estimator = AdvantageEstimator::reinforce_plus_plus; }), true);
  }
}
TEST_CASE("contract: listwise") {
  for (const double beta : {0.0, 0.3})
    for (const bool normalise : {false, true})
      for (const bool clip : {false, true}) DYNAMIC_SECTION("beta " << beta << ", length normalised " << normalise << ", clip " << clip) {
          objective_contract(maker([&](Recipe& r) {
            r.maxent.maxent_objective = MaxentObjective::listwise;
            r.maxent.maxent_length_normalize_policy = normalise;
            r.maxent.maxent_use_clip_objective = clip;
            r.maxent.maxent_target_weight_entropy = 0.7;
            r.maxent.maxent_tau_lr = 0.1;
            r.objective.beta = beta;
          }));
        }
}
TEST_CASE("contract: weighted_mle") {
  for (const double beta : {0.0, 0.3}) DYNAMIC_SECTION("beta " << beta) {
      objective_contract(maker([&](Recipe& r) {
        r.maxent.maxent_objective = MaxentObjective::weighted_mle;
        r.objective.beta = beta;
      }));
    }
}
TEST_CASE("contract: clip") { each_loss_type(MaxentObjective::clip); }
TEST_CASE("contract: xdr") {
  for (const double tau : {0.0, 0.05, 1.0})
    for (const bool adaptive : {false, true}) {
      if (adaptive && tau == 0.0) continue;
      DYNAMIC_SECTION("tau " << tau << ", adaptive " << adaptive) {
        objective_contract(maker([&](Recipe& r) {
          r.maxent.maxent_objective = MaxentObjective::xdr;
          r.maxent.maxent_tau = tau;
          r.maxent.maxent_xdr_mode_adaptive = adaptive;
        }));
      }
    }
}
TEST_CASE("contract: token_entropy") {
  each_loss_type(MaxentObjective::token_entropy, true, [](Recipe& r) {
    r.maxent.maxent_alpha = 0.1;
    r.maxent.maxent_alpha_raise_on_low_kl = true;
    r.maxent.maxent_alpha_lower_on_high_kl = true;
  });
}
TEST_CASE("contract: hybrid") {
  each_loss_type(MaxentObjective::hybrid, false, [](Recipe& r) {
    r.maxent.maxent_hybrid_coef_final = 0.0;
    r.maxent.maxent_hybrid_horizon = 10;
  });
}
