#include "libgrpo/base/version.hpp"
#include "libgrpo/hub/model_card.hpp"

#include <fmt/format.h>
#include <string_view>

namespace grpo {
namespace {

struct Paper {
  std::string_view key, title, authors, arxiv;  // authors: empty where we do not know them for certain
  int year;
};

constexpr Paper kGrpo{"shao2024deepseekmath", "{DeepSeekMath}: Pushing the Limits of Mathematical Reasoning in Open Language Models",
                      "Shao, Zhihong and others", "2402.03300", 2024};
constexpr Paper kGspo{"zheng2025gspo", "Group Sequence Policy Optimization", "Zheng, Chujie and others", "2507.18071", 2025};
constexpr Paper kDapo{"yu2025dapo", "{DAPO}: An Open-Source {LLM} Reinforcement Learning System at Scale", "Yu, Qiying and others",
                      "2503.14476", 2025};
constexpr Paper kDrGrpo{"liu2025drgrpo", "Understanding {R1-Zero}-Like Training: A Critical Perspective", "Liu, Zichen and others",
                        "2503.20783", 2025};
constexpr Paper kCispo{"minimax2025m1", "{MiniMax-M1}: Scaling Test-Time Compute Efficiently with Lightning Attention", "{MiniMax}",
                       "2506.13585", 2025};
constexpr Paper kSapo{"sapo2025", "Soft Adaptive Policy Optimization", "Gao, Chang and others", "2511.20347", 2025};
constexpr Paper kLuspo{"luspo2026",
                       "Length-Unbiased Sequence Policy Optimization: Revealing and Controlling Response Length Variation in {RLVR}", "",
                       "2602.05261", 2026};
constexpr Paper kVespo{"vespo2026", "{VESPO}: Variational Sequence-Level Soft Policy Optimization for Stable Off-Policy {LLM} Training", "",
                       "2602.10693", 2026};

std::string entry(const Paper& paper) {
  const std::string authors = paper.authors.empty() ? "" : fmt::format("  author = {{{}}},\n", paper.authors);
  return fmt::format("@article{{{},\n  title = {{{}}},\n{}  year = {{{}}},\n  journal = {{arXiv preprint arXiv:{}}}\n}}\n", paper.key,
                     paper.title, authors, paper.year, paper.arxiv);
}

/// Of the normaliser or the policy term; none for those that TRL alone describes.
const Paper* of_loss(LossType loss) {
  switch (loss) {
    case LossType::dapo: return &kDapo;
    case LossType::dr_grpo: return &kDrGrpo;
    case LossType::cispo: return &kCispo;
    case LossType::sapo: return &kSapo;
    case LossType::luspo: return &kLuspo;
    case LossType::vespo: return &kVespo;
    case LossType::grpo:
    case LossType::bnpo: return nullptr;
  }
  return nullptr;
}

}  // namespace

std::string citations(const Recipe& recipe) {
  const MaxentObjective maxent = recipe.maxent.maxent_objective;
  std::string text = entry(kGrpo);
  const Paper* loss = maxent == MaxentObjective::xdr ? &kDrGrpo : of_loss(recipe.objective.loss_type);
  const bool listwise = maxent == MaxentObjective::listwise || maxent == MaxentObjective::weighted_mle;
  if (loss != nullptr && (!listwise || recipe.maxent.maxent_use_clip_objective)) text += entry(*loss);
  if (recipe.objective.importance_sampling_level == ImportanceSamplingLevel::sequence) text += entry(kGspo);
  if (maxent != MaxentObjective::none) {
    text += "@misc{maxentgrpo,\n  title = {{MaxEnt-GRPO}},\n  howpublished = {the program maxent-grpo},\n  year = {2025}\n}\n";
    if (maxent == MaxentObjective::listwise || maxent == MaxentObjective::hybrid)
      text +=
          "@inproceedings{cao2007listnet,\n  title = {Learning to Rank: From Pairwise Approach to Listwise Approach},\n  author = {Cao, "
          "Zhe "
          "and others},\n  booktitle = {ICML},\n  year = {2007}\n}\n";
  }
  text += fmt::format("@software{{libgrpo,\n  title = {{libgrpo}},\n  version = {{{}}}\n}}\n", LIBGRPO_VERSION);
  return text;
}

}  // namespace grpo
