#include "libgrpo/config/field_builders.hpp"

namespace grpo {

using namespace field_list;

std::vector<Field> hub_fields(HubOptions& o) {
  return {
      {"hub", "push_to_hub", &o.push_to_hub, "",
       "upload saves and the finished model to the Hugging Face Hub beside the training, by your own program hf and its login"},
      {"hub", "hub_model_id", &o.hub_model_id, "id",
       "repository to upload to: organization/name, or a name in your own space; unset: the last part of output_dir"},
      {"hub", "hub_strategy", one_of(o.hub_strategy, {"end", "every_save", "checkpoint", "all_checkpoints"}), "",
       "end: the finished model; every_save: each checkpoint's model too; checkpoint: and all that a resume needs, in last-checkpoint; "
       "all_checkpoints: that of every checkpoint, in checkpoint-N"},
      {"hub", "hub_model_revision", &o.hub_model_revision, "branch", "branch that uploads go to", {}, {"hub_revision"}, {{"null", "main"}}},
      {"hub",
       "hub_private_repo",
       &o.hub_private_repo,
       "",
       "make the repository private if it is not there yet; false: as your account or organization has it",
       {},
       {},
       {{"null", "false"}}},
      {"hub", "push_to_hub_revision", &o.push_to_hub_revision, "",
       "upload the finished model to hub_model_revision, which must not hold a model yet"},
      {"hub", "overwrite_hub_revision", &o.overwrite_hub_revision, "", "upload to a branch that holds a model already"},
  };
}

}  // namespace grpo
