#include "libgrpo/trainer/parameter_shards.hpp"

#include "libgrpo/tensor/precompiled.hpp"

#include <memory>
#include <optional>

namespace grpo {
namespace {

at::Tensor flat(const at::Tensor& tensor, std::int64_t first, std::int64_t count) {
  return tensor.detach().view({-1}).narrow(0, first, count);
}

/// One bucket on its way.
struct Gathering {
  const FlatBucket* bucket = nullptr;
  at::Tensor whole = {};
  std::unique_ptr<Pending> pending = nullptr;

  Gathering(World& world, const std::vector<Parameter>& parameters, const FlatBucket& of)
      : bucket(&of), whole(at::empty({of.numel}, of.options())) {
    const auto share = whole.narrow(0, world.rank() * of.share, of.share);
    for (const FlatPiece& piece : pieces_of(of, parameters, world.rank()))
      share.narrow(0, piece.at, piece.count).copy_(flat(parameters[piece.parameter].tensor, piece.first, piece.count));
    pending = world.start_gather(whole, share);
  }
  void finish(const std::vector<Parameter>& parameters) const {
    pending->wait();
    for (std::size_t k = 0; k < bucket->parameters.size(); ++k) {
      const at::Tensor& tensor = parameters[bucket->parameters[k]].tensor;
      flat(tensor, 0, tensor.numel()).copy_(whole.narrow(0, bucket->offsets[k], tensor.numel()));
    }
  }
};

}  // namespace

std::vector<Parameter> own_pieces(const std::vector<Parameter>& parameters, const std::vector<FlatBucket>& buckets, int rank,
                                  const std::vector<at::Tensor>& grads) {
  std::vector<Parameter> own;
  for (std::size_t b = 0; b < buckets.size(); ++b)
    for (const FlatPiece& piece : pieces_of(buckets[b], parameters, rank)) {
      const Parameter& whole = parameters[piece.parameter];
      own.push_back({piece_name(whole, piece), flat(whole.tensor, piece.first, piece.count), whole.decays});
      own.back().tensor.mutable_grad() = grads[b].narrow(0, piece.at, piece.count);
    }
  return own;
}

/// One bucket is copied out while the next is on its way.
void gather_parameters(World& world, const std::vector<Parameter>& parameters, const std::vector<FlatBucket>& buckets) {
  const at::NoGradGuard no_grad;
  std::optional<Gathering> before;
  for (const FlatBucket& bucket : buckets) {
    Gathering next(world, parameters, bucket);
    if (before) before->finish(parameters);
    before = std::move(next);
  }
  if (before) before->finish(parameters);
}

}  // namespace grpo
