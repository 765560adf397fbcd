#include "libgrpo/sampler/tensor_decoder.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/base/clock.hpp"
#include "libgrpo/tensor/precompiled.hpp"
#include "libgrpo/tensor/segment_attention.hpp"

#include <algorithm>

namespace grpo {
namespace {

using std::int64_t;

constexpr int64_t kChunk = 4096;  // tokens: bounds the memory of activations

at::Tensor index_tensor(const std::vector<int64_t>& list, at::Device device) { return at::tensor(list, at::kLong).to(device); }

/// The slots of the first `end` tokens of the text that ends with `run`.
std::vector<int64_t> slots_of(const TextRun& run, int64_t end) {
  std::vector<int64_t> slots(static_cast<std::size_t>(end));
  for (const TextRun* part = &run; part != nullptr; part = part->parent.get())
    for (int64_t i = 0; i < std::min(part->length, end - part->position); ++i) {
      const int64_t page = *static_cast<const int64_t*>(part->pages[static_cast<std::size_t>(i / kPageTokens)].get());
      slots[static_cast<std::size_t>(part->position + i)] = page * kPageTokens + i % kPageTokens;
    }
  return slots;
}

}  // namespace

/// Writes a chunk's keys and values into the cache, then attends to it.
class TensorDecoder::Cached final : public Attend {
 public:
  explicit Cached(TensorDecoder& decoder)
      : decoder_(decoder), device_(decoder.model_.device()), written_(index_tensor(decoder.new_slots_, device_)) {
    std::vector<int64_t> rows;
    for (const Block& block : decoder.blocks_) {
      if (block.count == 1) {
        rows.push_back(block.first);
        singles_.push_back(&block);
        longest_ = std::max(longest_, static_cast<int64_t>(block.slots.size()));
      } else {
        several_.emplace_back(&block, index_tensor(block.slots, device_));
      }
    }
    if (!rows.empty()) gather_singles(rows);
  }

  at::Tensor operator()(int64_t index, const AttentionRule& rule, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) override {
    Layer& cache = decoder_.layers_[static_cast<std::size_t>(index)];
    cache.keys.index_copy_(0, written_, k);
    cache.values.index_copy_(0, written_, v);
    auto out = at::empty_like(q);
    if (!singles_.empty()) {
      const auto of = [&](const at::Tensor& all) {
        return all.index_select(0, seen_).view({static_cast<int64_t>(singles_.size()), longest_, all.size(1), all.size(2)});
      };
      const auto rows = masked_attention(q.index_select(0, rows_).unsqueeze(1), of(cache.keys), of(cache.values), visible(rule), rule);
      out.index_copy_(0, rows_, rows.squeeze(1));
    }
    for (const auto& [block, slots] : several_)
      out.narrow(0, block->first, block->count)
          .copy_(causal_attention(q.narrow(0, block->first, block->count), cache.keys.index_select(0, slots),
                                  cache.values.index_select(0, slots), rule));
    return out;
  }

 private:
  /// Texts are aligned at their ends, so that a window is the same columns for all. What is in front of one is masked.
  void gather_singles(const std::vector<int64_t>& rows) {
    std::vector<int64_t> seen, begins;
    for (const Block* block : singles_) {
      begins.push_back(longest_ - static_cast<int64_t>(block->slots.size()));
      seen.insert(seen.end(), static_cast<std::size_t>(begins.back()), block->slots.front());
      seen.insert(seen.end(), block->slots.begin(), block->slots.end());
    }
    rows_ = index_tensor(rows, device_);
    seen_ = index_tensor(seen, device_);
    columns_ = at::arange(longest_, at::TensorOptions(device_).dtype(at::kLong)).unsqueeze(0);
    inside_ = columns_.ge(index_tensor(begins, device_).unsqueeze(1));
  }
  /// shape: [singles, 1, longest]
  [[nodiscard]] at::Tensor visible(const AttentionRule& rule) const {
    const auto mask = rule.window > 0 ? inside_.logical_and(columns_.ge(longest_ - rule.window)) : inside_;
    return mask.unsqueeze(1);
  }

  TensorDecoder& decoder_;
  at::Device device_;
  at::Tensor written_;
  std::vector<const Block*> singles_;
  int64_t longest_ = 0;                        // text of a single
  at::Tensor rows_, seen_, columns_, inside_;  // [singles], [singles * longest], [1, longest], [singles, longest]
  std::vector<std::pair<const Block*, at::Tensor>> several_;
};

TensorDecoder::TensorDecoder(const CausalLm& model)
    : model_(model), free_(std::make_shared<std::vector<int64_t>>()), layers_(static_cast<std::size_t>(model.config().num_layers)) {}

Page TensorDecoder::take_page() {
  if (free_->empty()) {
    free_->push_back(made_++);
    free_->reserve(static_cast<std::size_t>(made_));  // so that giving a page back never throws
  }
  auto page = std::make_unique<int64_t>(free_->back());
  free_->pop_back();
  return {static_cast<void*>(page.release()), [to = free_](void* back) {
            const std::unique_ptr<int64_t> place(static_cast<int64_t*>(back));
            to->push_back(*place);
          }};
}

/// Keys and values for all pages that were taken; room grows by half of what there is.
void TensorDecoder::make_room() {
  const ModelConfig& c = model_.config();
  const int64_t have = layers_.front().keys.defined() ? layers_.front().keys.size(0) : 0, need = made_ * kPageTokens;
  if (need <= have) return;
  const auto options = model_.weights().embed.options().requires_grad(false);
  for (Layer& layer : layers_)
    for (at::Tensor* all : {&layer.keys, &layer.values}) {
      const auto larger = at::zeros({std::max(need, have + have / 2), c.num_kv_heads, c.head_dim}, options);
      if (have > 0) larger.narrow(0, 0, have).copy_(*all);
      *all = larger;
    }
}

/// Gives every token its slot; returns their positions.
std::vector<int64_t> TensorDecoder::place(const Input* inputs, int64_t count) {
  std::vector<int64_t> positions;
  blocks_.clear();
  new_slots_.clear();
  for (int64_t i = 0; i < count; ++i) {
    TextRun& run = *inputs[i].run;
    if (run.length == 0 && run.parent) run.position = run.parent->position + run.parent->length;
    if (run.length % kPageTokens == 0) run.pages.push_back(take_page());
    if (blocks_.empty() || blocks_.back().run != &run) blocks_.push_back({&run, i, 0, 0});
    ++blocks_.back().count;
    new_slots_.push_back(*static_cast<const int64_t*>(run.pages.back().get()) * kPageTokens + run.length % kPageTokens);
    positions.push_back(run.position + run.length++);
    blocks_.back().end = run.position + run.length;
  }
  for (Block& block : blocks_) block.slots = slots_of(*block.run, block.end);
  make_room();
  return positions;
}

/// The logits that are wanted of these tokens, on the CPU; undefined if none are.
at::Tensor TensorDecoder::chunk(const Input* inputs, int64_t count) {
  std::vector<int64_t> ids, wanted;
  for (int64_t i = 0; i < count; ++i) {
    ids.push_back(inputs[i].token);
    if (inputs[i].logits) wanted.push_back(i);
  }
  const auto positions = place(inputs, count);
  Stopwatch watch;
  Cached attend(*this);
  const auto states = model_.hidden(at::tensor(ids, at::kLong), at::tensor(positions, at::kLong), attend);
  if (wanted.empty()) return {};
  const auto logits = model_.logits(states.index_select(0, index_tensor(wanted, states.device()))).to(at::kCPU).contiguous();
  times_.other += watch.seconds();  // only here is the device known to have finished
  return logits;
}

const float* TensorDecoder::step(const std::vector<Input>& inputs) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> found;
  const auto count = static_cast<int64_t>(inputs.size());
  for (int64_t first = 0; first < count; first += kChunk)
    if (auto logits = chunk(inputs.data() + first, std::min(kChunk, count - first)); logits.defined()) found.push_back(std::move(logits));
  if (found.empty()) return nullptr;
  logits_ = found.size() == 1 ? found.front() : at::cat(found);
  return logits_.const_data_ptr<float>();
}

}  // namespace grpo
