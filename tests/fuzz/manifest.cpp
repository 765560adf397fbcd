// manifest.json of a checkpoint, and what else a run reads of earlier ones: metrics.jsonl, the journal of an evaluation, a model's card.
#include "libgrpo/checkpoint/manifest.hpp"

#include "libgrpo/eval/answered.hpp"
#include "libgrpo/hub/base_card.hpp"
#include "libgrpo/hub/run_record.hpp"
#include "libgrpo/metrics/json_lines.hpp"
#include "tests/fuzz/target.hpp"

using namespace grpo;

FUZZ_TARGET(manifest) {
  static const fuzz::Scratch kScratch;
  kScratch.write("manifest.json", bytes);
  kScratch.write("config.json", "{}");
  fuzz::may_refuse([&] { (void)checkpoint_damage(kScratch.folder); });
  kScratch.write("README.md", bytes);
  (void)read_base_card(kScratch.folder);
  const auto metrics = kScratch.write("metrics.jsonl", bytes);
  (void)draw_curves(read_run_record(metrics, {"reward", "kl"}, 100), {{"reward", "reward"}, {"kl", "kl"}});
  fuzz::may_refuse([&] { JsonLinesSink(metrics, 3).write(4, {{"reward", 1.0}}); });
  fuzz::may_refuse([&] { (void)to_json_line(read_answered(bytes, {"format"}), {"format"}); });
}
