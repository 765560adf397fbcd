#include "libgrpo/dist/world.hpp"

#include <ATen/ATen.h>

#include <atomic>

namespace grpo {
namespace {

class Done final : public Pending {
 public:
  void wait() override {}
};

class SoloWorld final : public World {
 public:
  [[nodiscard]] int rank() const override { return 0; }
  [[nodiscard]] int size() const override { return 1; }
  std::unique_ptr<Pending> start_sum(at::Tensor /*values*/) override { return std::make_unique<Done>(); }
  std::unique_ptr<Pending> start_sum_shares(at::Tensor values, at::Tensor share, const std::vector<bool>& senders) override {
    if (senders[0]) share.add_(values);
    return std::make_unique<Done>();
  }
  std::unique_ptr<Pending> start_gather(at::Tensor whole, at::Tensor share) override {
    if (!whole.is_alias_of(share)) whole.copy_(share);
    return std::make_unique<Done>();
  }
  [[nodiscard]] std::vector<std::string> gather_bytes(const std::string& mine) override { return {mine}; }
  void announce_phase(const std::string& /*name*/) override {}
  void ask_to_stop() override { asked_ = true; }
  [[nodiscard]] bool asked_to_stop() const override { return asked_; }
  void give_up(const std::string& /*why*/) override {}

 private:
  std::atomic<bool> asked_{false};
};

}  // namespace

std::unique_ptr<World> make_solo_world() { return std::make_unique<SoloWorld>(); }

}  // namespace grpo
