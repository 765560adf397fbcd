/// Ranks as if they were joined by a slow link: a World whose sums and gathers end when their bytes would have arrived.
#pragma once

#include "libgrpo/dist/world.hpp"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

namespace grpo::testing {

/// One link out of this rank, which carries one message after the other. Waiting for it costs no processor time, so that what is
/// measured is what the link hides behind, and not what carrying the bytes costs this machine.
class SlowLink final : public World {
 public:
  SlowLink(World& world, double bytes_per_second) : world_(world), speed_(bytes_per_second) {}

  [[nodiscard]] int rank() const override { return world_.rank(); }
  [[nodiscard]] int size() const override { return world_.size(); }
  std::unique_ptr<Pending> start_sum(at::Tensor values) override {
    const double bytes = 2.0 * others() * static_cast<double>(values.nbytes());
    return carried(world_.start_sum(std::move(values)), bytes);
  }
  std::unique_ptr<Pending> start_sum_shares(at::Tensor values, at::Tensor share, const std::vector<bool>& senders) override {
    const double bytes = others() * static_cast<double>(values.nbytes());
    return carried(world_.start_sum_shares(std::move(values), std::move(share), senders), bytes);
  }
  std::unique_ptr<Pending> start_gather(at::Tensor whole, at::Tensor share) override {
    const double bytes = others() * static_cast<double>(whole.nbytes());
    return carried(world_.start_gather(std::move(whole), std::move(share)), bytes);
  }
  std::vector<std::string> gather_bytes(const std::string& mine) override { return world_.gather_bytes(mine); }
  void give_up(const std::string& why) override { world_.give_up(why); }
  void ask_to_stop() override { world_.ask_to_stop(); }
  [[nodiscard]] bool asked_to_stop() const override { return world_.asked_to_stop(); }

  /// Seconds that the link was busy since the last call.
  double take_busy() { return std::exchange(busy_, 0.0); }
  void set_speed(double bytes_per_second) { speed_ = bytes_per_second; }

 private:
  void announce_phase(const std::string& name) override { world_.enter_phase(name); }
  using Clock = std::chrono::steady_clock;
  class Carried final : public Pending {
   public:
    Carried(std::unique_ptr<Pending> inner, Clock::time_point arrival) : inner_(std::move(inner)), arrival_(arrival) {}
    void wait() override {
      inner_->wait();
      std::this_thread::sleep_until(arrival_);
    }

   private:
    std::unique_ptr<Pending> inner_;
    Clock::time_point arrival_;
  };
  /// The part of a message that goes to or comes from other ranks.
  [[nodiscard]] double others() const { return static_cast<double>(size() - 1) / size(); }
  std::unique_ptr<Pending> carried(std::unique_ptr<Pending> inner, double bytes) {
    const double seconds = bytes / speed_;
    busy_ += seconds;
    free_ = std::max(free_, Clock::now()) + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    return std::make_unique<Carried>(std::move(inner), free_);
  }

  World& world_;
  double speed_, busy_ = 0.0;
  Clock::time_point free_;
};

}  // namespace grpo::testing
