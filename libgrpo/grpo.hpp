/// The whole library in one line, for programs: the four interfaces, what implements them, the trainer, and recipes to parts.
///
/// Costs half a minute of compile time, most of it libtorch's; a reward's author includes libgrpo/reward/reward_fn.hpp alone. Never
/// included by the library itself.
#pragma once

#include "libgrpo/assemble/assembly.hpp"
#include "libgrpo/assemble/objectives.hpp"
#include "libgrpo/assemble/open_model.hpp"
#include "libgrpo/assemble/training_run.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/base/random.hpp"
#include "libgrpo/base/version.hpp"
#include "libgrpo/config/load.hpp"
#include "libgrpo/objective/grpo.hpp"
#include "libgrpo/objective/hybrid.hpp"
#include "libgrpo/objective/listwise.hpp"
#include "libgrpo/policy/causal_lm.hpp"
#include "libgrpo/remote/remote_sampler.hpp"
#include "libgrpo/reward/reward_fn.hpp"
#include "libgrpo/sampler/in_process_sampler.hpp"
#include "libgrpo/trainer/evaluate.hpp"
#include "libgrpo/trainer/passes.hpp"
#include "libgrpo/trainer/trainer.hpp"
