// Every check across options, both ways: the recipe that is refused, and its neighbour that is not.
#include "libgrpo/config/validate.hpp"
#include "tests/config/recipe_files.hpp"

#include <catch2/catch.hpp>

#include <limits>

using namespace grpo;
using namespace grpo::test;
using Lines = std::vector<std::string>;

namespace {

const std::string kCommandLine = "command line: ";

bool loads(const Lines& words) {
  const Lines errors = errors_of_words(words);
  for (const std::string& line : errors) UNSCOPED_INFO(line);
  return errors.empty();
}

// The one complaint about these words, the place taken off; what else there is, if it is not one.
std::string complaint(const Lines& words) {
  const Lines errors = errors_of_words(words);
  if (errors.size() != 1) {
    for (const std::string& line : errors) UNSCOPED_INFO(line);
    return std::to_string(errors.size()) + " complaints";
  }
  return errors[0].starts_with(kCommandLine) ? errors[0].substr(kCommandLine.size()) : errors[0];
}

Lines operator+(Lines a, const Lines& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

}  // namespace

TEST_CASE("what there must be", "[config]") {
  CHECK(errors_of_words({}, "").size() == 2);  // no model, no dataset
  CHECK(complaint({"--dataset_mixture", R"({"datasets": [{"id": "a"}]})"}) ==
        "built-in recipe:2: dataset_name: both it and dataset_mixture are set; keep one");
  CHECK(complaint({"--reward_funcs="}) == "reward_funcs: name at least one reward function");
  CHECK(complaint({"--reward_weights", "1", "2"}).starts_with("reward_weights: 2 weights for 1 reward functions"));
  CHECK(complaint({"--few_shot", "q"}).starts_with("few_shot: 1 texts, but they go in pairs"));
  CHECK(complaint({"--reference_model_name_or_path="}) == "reference_model_name_or_path: must not be empty");
  CHECK(complaint({"--eval_strategy=steps"}).starts_with("eval_strategy: steps needs eval_dataset_name"));
  CHECK(loads({"--eval_strategy=steps", "--eval_dataset_name=sums"}));
  CHECK(complaint({"--eval_strategy=epoch"}).starts_with("eval_strategy: epoch needs eval_dataset_name"));
  CHECK(loads({"--eval_strategy=epoch", "--eval_dataset_name=sums", "--num_generations_eval=4"}));
}

TEST_CASE("lengths and stop sequences", "[config]") {
  CHECK(complaint({"--min_completion_length=600"}) == "min_completion_length: 600 is above max_completion_length = 512");
  CHECK(loads({"--min_completion_length=512"}));
  CHECK(complaint({R"(--stop_sequences=["a", ""])"}) == "stop_sequences: holds an empty text, which would end every completion at once");
  CHECK(loads({R"(--stop_sequences=["a", " "])"}));
}

TEST_CASE("a step is made of whole groups", "[config]") {
  CHECK(errors_of("r.toml", "num_generations = 7\nper_device_train_batch_size = 16\n") ==
        Lines{"r.toml:2: per_device_train_batch_size: per_device_train_batch_size 16 x gradient_accumulation_steps 1 = "
              "16 completions per step, which num_generations 7 does not divide; the nearest "
              "per_device_train_batch_size that works: 14 or 21"});
  // 2 parts give half of a group of 6: 3 completions in a part are enough.
  CHECK(
      complaint({"--num_generations=6", "--per_device_train_batch_size=2", "--gradient_accumulation_steps=2"}).ends_with("that works: 3"));
  // A value that was refused is not reported a second time through what depends on it.
  CHECK(errors_of_words({"--num_generations=one", "--per_device_train_batch_size=3"}).size() == 1);
}

TEST_CASE("what is sampled at a time lasts for whole steps", "[config]") {
  const Lines step = {"--per_device_train_batch_size=8", "--gradient_accumulation_steps=2"};
  for (const char* works :
       {"--generation_batch_size=16", "--generation_batch_size=48", "--steps_per_generation=2", "--steps_per_generation=6"}) {
    INFO(works);
    CHECK(loads(step + Lines{works}));
  }
  CHECK(complaint(step + Lines{"--generation_batch_size=24"}) ==
        "generation_batch_size: 24 completions sampled at a time are no multiple of per_device_train_batch_size 8 x "
        "gradient_accumulation_steps 2 = 16 completions per step; the nearest generation_batch_size that works: 16 or "
        "32");
  CHECK(complaint(step + Lines{"--generation_batch_size=8"}).ends_with("that works: 16"));
  CHECK(complaint(step + Lines{"--steps_per_generation=3"}) ==
        "steps_per_generation: 3 x per_device_train_batch_size 8 = 24 completions sampled at a time are no multiple of "
        "per_device_train_batch_size 8 x gradient_accumulation_steps 2 = 16 completions per step; the nearest "
        "steps_per_generation that works: 2 or 4");
  CHECK(complaint(step + Lines{"--steps_per_generation=1"}).ends_with("that works: 2"));
  CHECK(complaint(step + Lines{"--generation_batch_size=16", "--steps_per_generation=2"}) ==
        "generation_batch_size: both it and steps_per_generation say how much is sampled at a time; keep one");

  const OptimizerOptions o = load_words(step + Lines{"--steps_per_generation=6", "--num_iterations=3"}).recipe.optimizer;
  CHECK(o.completions_per_step() == 16);
  CHECK(o.completions_per_generation() == 48);
  CHECK(o.updates_per_generation() == 9);
}

TEST_CASE("a target entropy that weights can have", "[config]") {
  const Lines four = {"--num_generations=4"};
  for (const char* name : {"maxent_target_weight_entropy", "maxent_target_weight_entropy_final"}) {
    INFO(name);
    const std::string option = std::string("--") + name;
    const Lines rest = name == std::string("maxent_target_weight_entropy")
                           ? four
                           : four + Lines{"--maxent_target_weight_entropy=1", "--maxent_target_weight_entropy_horizon=9"};
    CHECK(complaint(rest + Lines{option + "=1.4"}) ==
          std::string(name) +
              ": 1.4 is above log(num_generations) = log 4 = 1.386, the entropy of equal weights, which no weights "
              "exceed; lower it, or give a share of that in maxent_target_weight_entropy_fraction");
    CHECK(loads(rest + Lines{option + "=1.386"}));
    CHECK(loads(rest + Lines{option + "=1.3862943611198906"}));  // log 4 itself
  }
  CHECK(complaint(four + Lines{"--maxent_target_weight_entropy=1", "--maxent_target_weight_entropy_fraction=0.5"})
            .ends_with("both it and maxent_target_weight_entropy_fraction are set; keep one"));
  CHECK(loads(four + Lines{"--maxent_target_weight_entropy_fraction=1"}));
  CHECK(complaint({"--maxent_target_weight_entropy_fraction=1.1"}) == "--maxent_target_weight_entropy_fraction=1.1: must be > 0 and <= 1");
}

TEST_CASE("an end and the steps to it come together", "[config]") {
  struct Course {
    const char* end;
    const char* horizon;
    Lines with;
  };
  for (const Course& course :
       {Course{"maxent_target_weight_entropy_final", "maxent_target_weight_entropy_horizon", {"--maxent_target_weight_entropy=1"}},
        Course{
            "maxent_target_weight_entropy_final", "maxent_target_weight_entropy_horizon", {"--maxent_target_weight_entropy_fraction=0.9"}},
        Course{"maxent_tau_final", "maxent_tau_horizon", {}}, Course{"maxent_hybrid_coef_final", "maxent_hybrid_horizon", {}}}) {
    const std::string end = course.end;
    const std::string horizon = course.horizon;
    INFO(end);
    CHECK(loads(course.with + Lines{"--" + end + "=0.1", "--" + horizon + "=10"}));
    CHECK(complaint(course.with + Lines{"--" + end + "=0.1"}) == end + ": needs " + horizon + ", the steps until it is reached");
    CHECK(complaint(course.with + Lines{"--" + horizon + "=10"}) == horizon + ": 10 steps to what end? It needs " + end);
  }
  CHECK(complaint({"--maxent_target_weight_entropy_final=0.1", "--maxent_target_weight_entropy_horizon=10"}) ==
        "maxent_target_weight_entropy_final: has no beginning: set maxent_target_weight_entropy too");
}

TEST_CASE("tau: a course or a controller", "[config]") {
  const Lines course = {"--maxent_tau_final=0.1", "--maxent_tau_horizon=10"};
  const Lines target = {"--maxent_target_weight_entropy=1"};
  const Lines fraction = {"--maxent_target_weight_entropy_fraction=0.5"};
  for (const Lines& aim : {target, fraction}) {
    CHECK(complaint(course + aim + Lines{"--maxent_tau_lr=0.05"})
              .starts_with("maxent_tau_final: sets maxent_tau by the step, and maxent_tau_lr steers it"));
    CHECK(loads(course + aim));
    CHECK(loads(aim + Lines{"--maxent_tau_lr=0.05"}));
  }
  CHECK(loads(course + Lines{"--maxent_tau_lr=0.05"}));
  CHECK(complaint(course + Lines{"--maxent_tau=inf"}) ==
        "maxent_tau: inf has no straight line to maxent_tau_final; begin at a finite number");

  CHECK(complaint({"--maxent_tau_min=0.5", "--maxent_tau_max=0.4"}) ==
        "maxent_tau_max: 0.4 is below maxent_tau_min = 0.5; raise it, or set it to 0 for no bound");
  CHECK(loads({"--maxent_tau_min=0.5", "--maxent_tau_max=0.5"}));
  CHECK(loads({"--maxent_tau_min=0.5", "--maxent_tau_max=0"}));
  // Outside of its bounds it is moved inside, where it is steered at all.
  const Lines steered = target + Lines{"--maxent_tau_lr=0.05"};
  CHECK(loads(steered + Lines{"--maxent_tau=0.001", "--maxent_tau_min=0.05", "--maxent_tau_max=2"}));
  CHECK(loads(steered + Lines{"--maxent_tau=0", "--maxent_tau_min=0.05"}));
  CHECK(loads(steered + Lines{"--maxent_tau=inf", "--maxent_tau_max=2"}));
  CHECK(loads(target + Lines{"--maxent_tau=0"}));
  CHECK(complaint(steered + Lines{"--maxent_tau=0"}) ==
        "maxent_tau: 0.0 cannot be steered to a target entropy, which multiplies it; begin above 0, or set "
        "maxent_tau_min above 0");
  CHECK(complaint(steered + Lines{"--maxent_tau=inf"}) ==
        "maxent_tau: inf cannot be steered to a target entropy, which multiplies it; begin at a finite number, or set "
        "maxent_tau_max");
}

TEST_CASE("shares, multipliers and tau of xdr", "[config]") {
  CHECK(complaint({"--maxent_q_epsilon=0.25", "--num_generations=4"}) ==
        "maxent_q_epsilon: 0.25 for each of num_generations 4 completions is 1.0, and shares add up to 1; set it below "
        "0.25");
  CHECK(loads({"--maxent_q_epsilon=0.2499", "--num_generations=4"}));
  CHECK(complaint({"--maxent_alpha_kl_min_multiplier=2.5"}) ==
        "maxent_alpha_kl_min_multiplier: 2.5 is above maxent_alpha_kl_max_multiplier = 2.0");
  CHECK(loads({"--maxent_alpha_kl_min_multiplier=2"}));
  const Lines adaptive = {"--maxent_objective=xdr", "--maxent_xdr_mode_adaptive"};
  for (const char* tau : {"0", "inf"}) {
    INFO(tau);
    CHECK(complaint(adaptive + Lines{std::string("--maxent_tau=") + tau}).find("must be above 0 and finite") != std::string::npos);
    CHECK(loads({"--maxent_objective=xdr", std::string("--maxent_tau=") + tau}));
    CHECK(loads({"--maxent_xdr_mode_adaptive", std::string("--maxent_tau=") + tau}));
  }
  CHECK(loads(adaptive + Lines{"--maxent_tau=0.05"}));
}

TEST_CASE("the KL controller multiplies beta", "[config]") {
  const Lines controller = {"--kl_target=0.07", "--kl_horizon=500", "--kl_ctl_step_size=0.15"};
  CHECK(complaint(controller) ==
        "beta: is 0 and would stay there: the controller that kl_target, kl_horizon and kl_ctl_step_size switch on "
        "multiplies it; set beta above 0, or one of the three to 0");
  CHECK(loads(controller + Lines{"--beta=0.04"}));
  for (std::size_t off = 0; off < controller.size(); ++off) {
    Lines some = controller;
    some.erase(some.begin() + static_cast<std::ptrdiff_t>(off));
    CHECK(loads(some));
  }
}

TEST_CASE("clips and the sampler's correction", "[config]") {
  CHECK(complaint({"--loss_type=cispo", "--epsilon_high=0.28"}) ==
        "epsilon_high: 0.28 is a distance from 1, but in loss_type cispo it bounds the ratio itself; set it to about "
        "5, or leave it out");
  CHECK(loads({"--loss_type=cispo", "--epsilon_high=1"}));
  CHECK(loads({"--loss_type=cispo"}));
  CHECK(loads({"--loss_type=dapo", "--epsilon_high=0.28"}));

  const std::string none = "--vllm_importance_sampling_clip_max=none";
  for (const char* mode : {"token_truncate", "sequence_truncate"}) {
    const Lines truncate = {std::string("--vllm_importance_sampling_mode=") + mode};
    CHECK(complaint(truncate + Lines{none})
              .starts_with("vllm_importance_sampling_mode: " + std::string(mode) + " needs a bound to truncate at: set "));
    CHECK(loads(truncate));
    CHECK(loads(truncate + Lines{none, "--vllm_importance_sampling_clip_min=0.1"}));
    CHECK(loads(truncate + Lines{none, "--vllm_importance_sampling_correction=false"}));
  }
  CHECK(loads({none, "--vllm_importance_sampling_mode=token_mask"}));
  CHECK(complaint({"--vllm_importance_sampling_clip_min=3.5"}) ==
        "vllm_importance_sampling_clip_min: 3.5 is above vllm_importance_sampling_clip_max = 3.0");
  CHECK(loads({"--vllm_importance_sampling_clip_min=3"}));
  CHECK(loads({"--vllm_importance_sampling_clip_min=3.5", none}));
}

TEST_CASE("the entropy controller starts within its bounds", "[config]") {
  CHECK(complaint({"--entropy_coef_min=0.2", "--entropy_coef_max=0.1"}) == "entropy_coef_min: 0.2 is above entropy_coef_max = 0.1");
  CHECK(loads({"--entropy_coef_min=0.1", "--entropy_coef_max=0.1"}));
  CHECK(complaint({"--use_adaptive_entropy", "--entropy_coef=1.5"}) ==
        "entropy_coef: 1.5 is outside of entropy_coef_min 0.0 to entropy_coef_max 1.0, where use_adaptive_entropy "
        "keeps it; start it inside, or widen them");
  CHECK(complaint({"--use_adaptive_entropy", "--entropy_coef_min=0.1"}).starts_with("entropy_coef: 0.0 is outside"));
  CHECK(loads({"--use_adaptive_entropy", "--entropy_coef=1"}));
  CHECK(loads({"--entropy_coef=1.5"}));
}

TEST_CASE("one way for the reference to follow the policy", "[config]") {
  CHECK(complaint({"--sync_ref_model", "--maxent_reference_ema_enabled"}) ==
        "sync_ref_model: both it and maxent_reference_ema_enabled move the reference model; keep one");
  CHECK(loads({"--sync_ref_model"}));
  CHECK(loads({"--maxent_reference_ema_enabled"}));
}

TEST_CASE("what is legal mathematics is not refused", "[config]") {
  for (const char* loss : {"grpo", "bnpo", "dr_grpo", "dapo", "cispo", "sapo", "luspo", "vespo"}) {
    for (const char* level : {"token", "sequence"}) {
      for (const char* kl : {"k1", "k2", "k3"}) {
        for (const char* in_reward : {"true", "false"}) {
          CHECK(loads({std::string("--loss_type=") + loss, std::string("--importance_sampling_level=") + level,
                       std::string("--kl_estimator=") + kl, std::string("--kl_in_reward=") + in_reward, "--beta=0.1", "--delta=2",
                       "--num_iterations=2", "--scale_rewards=none"}));
        }
      }
    }
    for (const char* mode : {"token_truncate", "token_mask", "sequence_truncate", "sequence_mask"}) {
      CHECK(loads({std::string("--loss_type=") + loss, std::string("--vllm_importance_sampling_mode=") + mode}));
    }
    for (const char* objective : {"none", "listwise", "weighted_mle", "clip", "xdr", "token_entropy", "hybrid"}) {
      CHECK(loads({std::string("--loss_type=") + loss, std::string("--maxent_objective=") + objective, "--beta=0.1"}));
    }
  }
}

TEST_CASE("what the chosen objective would not look at is refused", "[config]") {
  for (const char* objective : {"listwise", "weighted_mle", "clip"}) {
    const std::string chosen = std::string("--maxent_objective=") + objective;
    for (const char* option : {"--entropy_coef=0.1", "--use_adaptive_entropy=true", "--top_entropy_quantile=0.5"}) {
      CHECK_FALSE(loads({chosen, option}));
      CHECK(loads({option}));
      CHECK(loads({"--maxent_objective=hybrid", option}));
    }
    CHECK_FALSE(loads({chosen, "--kl_in_reward=true", "--beta=0.1"}));
  }
  for (const char* objective : {"clip", "xdr", "token_entropy", "hybrid"})
    CHECK_FALSE(loads({std::string("--maxent_objective=") + objective, "--maxent_use_clip_objective=true"}));
  CHECK(loads({"--maxent_objective=listwise", "--maxent_use_clip_objective=true"}));
  CHECK(loads({"--maxent_use_clip_objective=true"}));
  CHECK_FALSE(loads({"--kl_in_reward=true", "--multi_objective_aggregation=normalize_then_sum"}));
}

TEST_CASE("a recipe filled in by code is checked alike, and its numbers may be anything", "[config]") {
  Recipe recipe;
  recipe.policy.model_name_or_path = "m";
  recipe.data.dataset_name = "sums";
  recipe.maxent.maxent_tau = std::numeric_limits<double>::infinity();
  CHECK_NOTHROW(validate(recipe));
  recipe.maxent.maxent_target_weight_entropy = 3.0;
  CHECK_THROWS_WITH(validate(recipe), Catch::Matchers::Contains("log 8 = 2.079"));
  recipe.maxent.maxent_target_weight_entropy.reset();
  recipe.maxent.maxent_tau = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH(validate(recipe), "maxent_tau = nan: must be a number >= 0");
  recipe.maxent.maxent_tau = 1.0;
  // Nothing is divided by 0 and nothing overflows on the way to saying so.
  recipe.optimizer.generation_batch_size = 3;
  recipe.optimizer.gradient_accumulation_steps = 0;
  CHECK_THROWS_WITH(validate(recipe), "gradient_accumulation_steps = 0: must be >= 1");
  recipe.optimizer.generation_batch_size.reset();
  recipe.optimizer.per_device_train_batch_size = 3;
  recipe.optimizer.gradient_accumulation_steps = std::numeric_limits<std::int64_t>::max();
  CHECK_THROWS_WITH(validate(recipe), "gradient_accumulation_steps = 9223372036854775807: must be <= 1000000000");
}

TEST_CASE("addresses of generation servers, and when one is used", "[config]") {
  const std::string on = "--use_vllm=true";
  CHECK(complaint({on, "--vllm_server_base_url=a:80"}) ==
        "vllm_server_base_url: \"a:80\": expected an address such as http://127.0.0.1:8000");
  CHECK(complaint({on, "--vllm_server_base_url=https://a"}).find("without TLS") != std::string::npos);
  CHECK(complaint({on, "--vllm_url=localhost/generate"}).starts_with("vllm_url: "));
  CHECK(complaint({on, "--vllm_server_host=http://a"}).starts_with("vllm_server_host: "));
  CHECK(complaint({"--vllm_server_base_url=http://a"}).find("use_vllm is false") != std::string::npos);
  CHECK(complaint({"--vllm_sync_method=memory"}).find("but none is named") != std::string::npos);
  CHECK(complaint({on, "--vllm_mode=server", "--vllm_sync_method=adapters"}).find("use_peft is false") != std::string::npos);
  const auto uses = [](const Lines& words) { return load_words(words).recipe.server.uses_server(); };
  CHECK(uses({on, "--vllm_server_base_url=http://a"}));
  CHECK(uses({on, "--vllm_server_host=a"}));
  CHECK(uses({on, "--vllm_url=http://a/generate"}));
  CHECK(uses({on, "--vllm_mode=server"}));
  CHECK_FALSE(uses({on}));
  CHECK_FALSE(uses({on, "--vllm_mode=colocate", "--vllm_server_host=a"}));
  CHECK_FALSE(uses({"--vllm_mode=server"}));
}
