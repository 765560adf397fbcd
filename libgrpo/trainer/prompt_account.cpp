#include "libgrpo/trainer/prompt_account.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace grpo {
namespace {

constexpr std::int64_t kHead = 4;

at::Tensor to_tensor(const std::set<std::uint64_t>& ids) {
  at::Tensor tensor = at::empty({static_cast<std::int64_t>(ids.size())}, at::kLong);
  std::transform(ids.begin(), ids.end(), tensor.mutable_data_ptr<std::int64_t>(),
                 [](std::uint64_t id) { return static_cast<std::int64_t>(id); });
  return tensor;
}

std::set<std::uint64_t> to_set(const at::Tensor& tensor) {
  const auto* values = tensor.const_data_ptr<std::int64_t>();
  return {values, values + tensor.numel()};
}

Error violated(const std::string& what) {
  return {ErrorKind::contract,
          "the account of prompts does not hold: " + what +
              ". Nothing wrong was trained on yet; this is a defect of the program: please report it, with recipe and message"};
}

}  // namespace

PromptAccount::PromptAccount(const NamedTensors& state) {
  if (state.empty()) return;
  const auto find = [&](const char* name) {
    for (const auto& [key, tensor] : state)
      if (key == name && tensor.scalar_type() == at::kLong && tensor.dim() == 1) return tensor;
    throw Error(ErrorKind::data, fmt::format("the account of prompts has no list \"{}\"", name));
  };
  const at::Tensor head = find("head");
  if (head.numel() != kHead) throw Error(ErrorKind::data, "the account of prompts has a head of another length");
  const auto* numbers = head.const_data_ptr<std::int64_t>();
  order_ = static_cast<std::uint64_t>(numbers[0]);
  accounted_ = static_cast<std::uint64_t>(numbers[1]);
  epoch_ = static_cast<std::uint64_t>(numbers[2]);
  batch_end_ = static_cast<std::uint64_t>(numbers[3]);
  ids_ = to_set(find("ids"));
  next_ = to_set(find("next"));
}

NamedTensors PromptAccount::state() const {
  at::Tensor head = at::empty({kHead}, at::kLong);
  auto* numbers = head.mutable_data_ptr<std::int64_t>();
  numbers[0] = static_cast<std::int64_t>(order_);
  numbers[1] = static_cast<std::int64_t>(accounted_);
  numbers[2] = static_cast<std::int64_t>(epoch_);
  numbers[3] = static_cast<std::int64_t>(batch_end_);
  return {{"head", head}, {"ids", to_tensor(ids_)}, {"next", to_tensor(next_)}};
}

void PromptAccount::open(std::uint64_t order, std::uint64_t prompts_per_epoch, std::uint64_t accounted) {
  per_epoch_ = prompts_per_epoch;
  if (order != order_) {
    order_ = order;
    accounted_ = accounted;
    epoch_ = accounted / per_epoch_;
    batch_end_ = accounted;
    ids_.clear();
    next_.clear();
  }
  if (accounted != accounted_)
    throw violated(fmt::format("{} prompts were trained on or discarded, but the checkpoint goes on behind {}", accounted_, accounted));
}

void PromptAccount::begin_batch(std::uint64_t first, std::uint64_t end, std::size_t groups) {
  if (first != accounted_)
    throw violated(fmt::format("{} prompts were trained on or discarded, but the next batch begins behind {}", accounted_, first));
  if (end < first + groups) throw violated(fmt::format("a batch of {} groups was drawn out of {} prompts", groups, end - first));
  accounted_ = end - groups;
  batch_end_ = end;
  if (const std::uint64_t epoch = first / per_epoch_; epoch != std::exchange(epoch_, epoch)) {
    ids_ = std::move(next_);
    next_.clear();
  }
}

bool PromptAccount::is_new(std::uint64_t id) {
  if (ids_.insert(id).second) return true;
  if (batch_end_ <= (epoch_ + 1) * per_epoch_) return false;
  return next_.insert(id).second || batch_end_ > (epoch_ + 2) * per_epoch_;
}

void PromptAccount::train(std::span<const Group> groups) {
  for (const Group& group : groups)
    if (!is_new(group.prompt.id)) throw violated(fmt::format("{} comes a second time in epoch {}", group.prompt.source, epoch_));
  accounted_ += groups.size();
}

}  // namespace grpo
