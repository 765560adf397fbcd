#include "libgrpo/dist/world.hpp"

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
  [[nodiscard]] std::vector<std::string> gather_bytes(const std::string& mine) override { return {mine}; }
  void enter_phase(const std::string& /*name*/) override {}
  void give_up(const std::string& /*why*/) override {}
};

}  // namespace

std::unique_ptr<World> make_solo_world() { return std::make_unique<SoloWorld>(); }

}  // namespace grpo
