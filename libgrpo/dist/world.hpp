/// The ranks of a run, and everything they say to each other.
///
/// All ranks call the same members in the same order (Message Passing Interface 4.1, section 6.1), start_gather() in an order of its own;
/// a member blocks until the ranks it needs have called it too. What a sum returns is bit-equal on all ranks.
#pragma once

#include "libgrpo/dist/launch.hpp"

#include <ATen/core/Tensor.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace grpo {

/// A collective under way. The tensors it was given may not be touched before wait() returns.
class Pending {
 public:
  virtual ~Pending() = default;
  /// throws: as World
  virtual void wait() = 0;
};

/// throws, all members: Error{backend} naming the rank that is gone or late, its host and the phase it was last in
/// thread: one caller at a time
class World {
 public:
  virtual ~World() = default;

  [[nodiscard]] virtual int rank() const = 0;
  [[nodiscard]] virtual int size() const = 0;

  /// Adds up over all ranks, in place. shape: any, the same everywhere, contiguous   cost: 2 (size-1)/size of its bytes sent by each rank
  virtual std::unique_ptr<Pending> start_sum(at::Tensor values) = 0;
  /// Adds up over the ranks that send, each rank keeping its share: share += sum over r with senders[r] of rank r's piece number rank()
  /// of size() equal ones. Summed in the order of ranks, in the share's type.
  /// shape: values [size * n] any float type (empty on a rank that does not send), share [n]; both flat and contiguous
  /// cost: (size-1)/size of the bytes of values sent by each rank that sends; as much memory as values, until wait()
  virtual std::unique_ptr<Pending> start_sum_shares(at::Tensor values, at::Tensor share, const std::vector<bool>& senders) = 0;
  /// whole = every rank's share, in the order of ranks. shape: whole [size * n], share [n], of one type, flat and contiguous; share
  /// may be this rank's piece of whole. Gathers are ordered among themselves, not with sums.
  /// cost: size-1 times the bytes of the share sent by each rank
  virtual std::unique_ptr<Pending> start_gather(at::Tensor whole, at::Tensor share) = 0;
  /// Bytes of any length from each rank. returns: [size], in the order of ranks
  [[nodiscard]] virtual std::vector<std::string> gather_bytes(const std::string& mine) = 0;

  /// What this rank is doing; others name it if this rank is lost.
  void enter_phase(const std::string& name) {
    if (phase_watcher_) phase_watcher_(name);
    announce_phase(name);
  }
  /// `watcher`: told each phase's name as it begins; empty: nobody is.
  void watch_phases(std::function<void(const std::string& name)> watcher) { phase_watcher_ = std::move(watcher); }
  /// Tells the others that this rank ends for a reason of its own, so that they end too. Does not throw.
  virtual void give_up(const std::string& why) = 0;

  /// A signal came: all ranks learn of it within two beats, whatever they are doing. Does not throw. thread: any
  virtual void ask_to_stop() = 0;
  /// cost: one atomic load   thread: any
  [[nodiscard]] virtual bool asked_to_stop() const = 0;

  [[nodiscard]] bool leads() const { return rank() == 0; }
  void sum(const at::Tensor& values) { start_sum(values)->wait(); }

 private:
  virtual void announce_phase(const std::string& name) = 0;
  std::function<void(const std::string&)> phase_watcher_;
};

/// The only rank of a run: nothing is sent.
std::unique_ptr<World> make_solo_world();

struct WorldOptions {
  std::chrono::milliseconds timeout = std::chrono::seconds(1800);   ///< of each collective
  std::chrono::milliseconds beat = std::chrono::seconds(1);         ///< between a rank's signs of life
  std::chrono::milliseconds lost_after = std::chrono::seconds(10);  ///< without one a rank is lost
  /// Called once, from a thread of its own, `grace` after a rank was found lost, unless the World is gone by then: for a program
  /// whose main thread may be far from its next collective. Empty: the next collective throws, nothing else happens.
  std::function<void(const std::string& why)> on_lost = {};
  std::chrono::milliseconds grace = std::chrono::seconds(2);
  bool nccl = true;  ///< for tensors on GPUs, where this build has it (nccl.hpp); otherwise Gloo carries copies of them on the host
};

/// Meets the others where `launch` says; make_solo_world() if it is alone. Gloo carries tensors on the CPU, NCCL those on GPUs.
/// throws: Error{backend} if the port is taken, or some ranks do not come within options.timeout
std::unique_ptr<World> make_world(const Launch& launch, const WorldOptions& options);

}  // namespace grpo
