#include "libgrpo/sampler/decoder.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/base/clock.hpp"
#include "libgrpo/tensor/lane_layers.hpp"
#include "libgrpo/tensor/lists.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <cmath>
#ifdef _OPENMP
#include <omp.h>
#endif

namespace grpo {
namespace {

using std::int64_t;

constexpr int64_t kChunk = 128;  // tokens computed together: their activations stay in the second cache

at::Tensor floats(int64_t n) { return at::empty({n}, at::kFloat); }
float* data(const at::Tensor& t) { return t.mutable_data_ptr<float>(); }
int64_t whole_lanes(int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

}  // namespace

/// The threads of one step. Each does its share of a phase; a barrier stands between phases.
struct Decoder::Team {
  int64_t index, size;

  static Team here() {
#ifdef _OPENMP
    return {omp_get_thread_num(), omp_get_num_threads()};
#else
    return {0, 1};
#endif
  }
  [[nodiscard]] std::pair<int64_t, int64_t> share(int64_t n) const { return {n * index / size, n * (index + 1) / size}; }
  /// Calls f(first lane) for this thread's blocks of kLanes rows.
  template <class F>
  void for_lanes(int64_t rows, const F& f) const {
    const auto [begin, end] = share(rows / kLanes);
    for (int64_t i = begin; i < end; ++i) f(i * kLanes);
  }
  /// Adds the time since the last call to `seconds`.
  void barrier(double& seconds) {
#pragma omp barrier
    if (index != 0) return;
    const double now = watch.seconds();
    seconds += now - last;
    last = now;
  }
  Stopwatch watch = {};
  double last = 0.0;
};

Decoder::Linear Decoder::linear_of(const at::Tensor& weight, const at::Tensor& bias, const std::vector<LowRank>& adapters) {
  Linear linear{{weight.detach().contiguous()}, {}, {}};
  if (bias.defined()) linear.bias = to_list(bias.detach().to(at::kFloat).contiguous());
  for (const LowRank& one : adapters)
    linear.adapters.push_back({{one.a.detach().contiguous()}, {one.b.detach().contiguous()}, one.first_row, static_cast<float>(one.scale)});
  return linear;
}

std::vector<float> Decoder::norm_of(const at::Tensor& weight) const {
  if (!weight.defined()) return {};
  return to_list((weight.detach().to(at::kFloat) + model_.config().norm_offset).contiguous());
}

Decoder::Decoder(const CausalLm& model, Isa isa)
    : model_(model),
      isa_(isa),
      weights_(model.lora() ? model.lora()->weights() : model.weights()),
      pool_({model.config().num_layers, model.config().num_kv_heads, model.config().head_dim}),
      rope_(make_rope(model.config())),
      local_rope_(make_rope(model.config(), true)) {
  static const LayerAdapters kNone;
  for (int64_t i = 0; i < model.config().num_layers; ++i) {
    const LayerWeights& w = weights_.layers[static_cast<std::size_t>(i)];
    const LayerAdapters& adapters = model.lora() ? model.lora()->layer(i) : kNone;
    layers_.push_back({linear_of(w.qkv, w.qkv_bias, adapters.qkv), linear_of(w.o, w.o_bias, adapters.o),
                       linear_of(w.gate_up, w.gate_up_bias, adapters.gate_up), linear_of(w.down, w.down_bias, adapters.down),
                       norm_of(w.input_norm), norm_of(w.q_norm), norm_of(w.k_norm), norm_of(w.attention_output_norm),
                       norm_of(w.post_attention_norm), norm_of(w.mlp_output_norm)});
  }
  final_norm_ = norm_of(weights_.norm);
  head_ = {weights_.head.detach().contiguous()};
}

void Decoder::reserve(int64_t rows) {
  const ModelConfig& c = model_.config();
  int64_t longest = 0, rank = 0, widest = std::max(c.hidden_size, c.intermediate_size);
  for (const Row& row : tokens_) longest = std::max(longest, row.position + 1);
  widest = std::max(widest, c.num_heads * c.head_dim);
  const int64_t group = c.num_heads / c.num_kv_heads;
  const int64_t attention = whole_lanes(group * c.head_dim) + group * pool_.shape().padded_width() + group * longest;
  const int64_t threads = at::get_num_threads(), wanted = std::max(attention, lane_scratch_floats(widest, rows));
  scratch_.resize(static_cast<std::size_t>(threads));
  for (at::Tensor& one : scratch_)
    if (!one.defined() || one.numel() < wanted) one = floats(wanted + wanted / 2);
  if (rows <= capacity_) return;
  capacity_ = rows;
  for (const Layer& l : layers_)
    for (const Linear* linear : {&l.qkv, &l.o, &l.gate_up, &l.down})
      for (const Linear::Adapter& one : linear->adapters) rank = std::max(rank, one.a.out());
  for (at::Tensor* one : {&x_, &normed_, &added_, &last_}) *one = floats(c.hidden_size * rows);
  qkv_ = floats((c.num_heads + 2 * c.num_kv_heads) * c.head_dim * rows);
  seen_ = floats(c.num_heads * c.head_dim * rows);
  gate_up_ = floats(2 * c.intermediate_size * rows);
  gated_ = floats(c.intermediate_size * rows);
  low_rank_ = floats(rank * rows);
  for (Angles* angles : {&angles_, &local_angles_}) {
    angles->cos = floats(rope_.inverse_frequencies.numel() * rows);
    angles->sin = floats(rope_.inverse_frequencies.numel() * rows);
  }
}

/// Gives every token its slot, and lists the pages it sees.
void Decoder::place(const Input* inputs, int64_t count) {
  tokens_.resize(static_cast<std::size_t>(count));
  wanted_.clear();
  for (int64_t i = 0; i < count; ++i) {
    TextRun& run = *inputs[i].run;
    if (run.length == 0 && run.parent) run.position = run.parent->position + run.parent->length;
    if (run.length % kPageTokens == 0) run.pages.push_back(pool_.take());
    Row& row = tokens_[static_cast<std::size_t>(i)];
    row.page = static_cast<float*>(run.pages.back().get());
    row.slot = run.length % kPageTokens;
    row.position = run.position + run.length++;
    row.spans.clear();
    for (const TextRun* part = &run; part != nullptr; part = part->parent.get())
      for (std::size_t p = part->pages.size(); p-- > 0;) {
        const int64_t before = static_cast<int64_t>(p) * kPageTokens;
        row.spans.push_back(
            {static_cast<const float*>(part->pages[p].get()), part->position + before, std::min(kPageTokens, part->length - before)});
      }
    std::reverse(row.spans.begin(), row.spans.end());
    if (inputs[i].logits) wanted_.push_back(i);
  }
}

void Decoder::turn(const Rope& rope, Angles& angles) const {
  const int64_t half = rope.inverse_frequencies.numel();
  const float* frequency = rope.inverse_frequencies.const_data_ptr<float>();
  const auto factor = static_cast<float>(rope.attention_factor);
  for (int64_t i = 0; i < half; ++i)
    for (std::size_t r = 0; r < tokens_.size(); ++r) {
      const float angle = static_cast<float>(tokens_[r].position) * frequency[i];
      data(angles.cos)[i * rows_ + static_cast<int64_t>(r)] = std::cos(angle) * factor;
      data(angles.sin)[i * rows_ + static_cast<int64_t>(r)] = std::sin(angle) * factor;
    }
}

const float* Decoder::step(const std::vector<Input>& inputs) {
  const ModelConfig& c = model_.config();
  int64_t wanted = 0;
  for (const Input& input : inputs) {
    GRPO_CHECK(input.token >= 0 && input.token < c.vocab_size, "token ids lie inside the vocabulary");
    wanted += input.logits ? 1 : 0;
  }
  if (!logits_.defined() || logits_.numel() < wanted * c.vocab_size) logits_ = floats(wanted * c.vocab_size);
  float* logits = data(logits_);
  const auto count = static_cast<int64_t>(inputs.size());
  for (int64_t first = 0; first < count; first += kChunk) {
    chunk(inputs.data() + first, std::min(kChunk, count - first), logits);
    logits += static_cast<int64_t>(wanted_.size()) * c.vocab_size;
  }
  return data(logits_);
}

void Decoder::chunk(const Input* inputs, int64_t count, float* logits) {
  const ModelConfig& c = model_.config();
  place(inputs, count);
  for (const Row& row : tokens_) check_position(c, row.position);
  rows_ = whole_lanes(count);
  reserve(rows_);
  turn(rope_, angles_);
  if (c.rope_local_theta > 0.0) turn(local_rope_, local_angles_);
#pragma omp parallel num_threads(at::get_num_threads())
  {
    Team team = Team::here();
    embed(inputs, team);
    for (int64_t i = 0; i < c.num_layers; ++i) layer(i, team);
    if (!wanted_.empty()) head(logits, team);
  }
}

void Decoder::embed(const Input* inputs, Team& team) {
  const int64_t width = model_.config().hidden_size;
  const auto multiplier = static_cast<float>(model_.config().embedding_multiplier);
  float* row = data(scratch_[static_cast<std::size_t>(team.index)]);
  float* x = data(x_);
  const std::vector<float>& first_norm = layers_[0].input_norm;
  team.for_lanes(rows_, [&](int64_t lanes) {
    for (int64_t r = lanes; r < lanes + kLanes; ++r) {
      const bool real = r < static_cast<int64_t>(tokens_.size());
      if (real) widen_row(row, weights_.embed, inputs[r].token);
      for (int64_t i = 0; i < width; ++i) x[i * rows_ + r] = real ? row[i] * multiplier : 0.0F;
    }
    if (!first_norm.empty()) normalise(data(normed_), x, first_norm, lanes);
  });
  team.barrier(times_.other);
}

void Decoder::normalise(float* y, const float* x, const std::vector<float>& weight, int64_t lanes) const {
  lane_norm(y, x, weight.data(), static_cast<int64_t>(weight.size()), static_cast<float>(model_.config().rms_norm_eps), rows_, lanes);
}

void Decoder::layer(int64_t index, Team& team) {
  const Layer& l = layers_[static_cast<std::size_t>(index)];
  const int64_t middle = model_.config().intermediate_size;
  multiply(data(qkv_), input_of(l.input_norm), l.qkv, team);
  prepare_heads(index, team);
  attend(index, team);
  multiply(data(added_), data(seen_), l.o, team);
  finish_block(l.attention_output_norm, l.post_attention_norm, team);

  multiply(data(gate_up_), input_of(l.post_attention_norm), l.gate_up, team);
  const auto [begin, end] = team.share(middle);
  const float *gate = data(gate_up_) + begin * rows_, *up = gate + middle * rows_;
  const auto gated = model_.config().activation == Activation::silu ? lane_swiglu : lane_geglu_tanh;
  gated(data(gated_) + begin * rows_, gate, up, (end - begin) * rows_);
  team.barrier(times_.other);
  multiply(data(added_), data(gated_), l.down, team);
  const auto next = static_cast<std::size_t>(index) + 1;
  finish_block(l.mlp_output_norm, next < layers_.size() ? layers_[next].input_norm : final_norm_, team);
}

/// y = linear(x), adapters added.
void Decoder::multiply(float* y, const float* x, const Linear& linear, Team& team) {
  float* scratch = data(scratch_[static_cast<std::size_t>(team.index)]);
  const auto run = [&](const LaneOutput& output, const float* in, const LaneMatrix& matrix) {
    const auto [begin, end] = team.share(matrix.panels());
    lane_linear(output, in, rows_, matrix, begin, end, scratch, isa_);
    team.barrier(times_.matrices);
  };
  run({.y = y, .bias = linear.bias.empty() ? nullptr : linear.bias.data()}, x, linear.matrix);
  for (const Linear::Adapter& one : linear.adapters) {
    run({.y = data(low_rank_)}, x, one.a);
    run({.y = y + one.first_row * rows_, .add = true, .scale = one.scale}, data(low_rank_), one.b);
  }
}

/// Norms and rotation of q and k; then k and v go into their pages.
void Decoder::prepare_heads(int64_t index, Team& team) {
  const ModelConfig& c = model_.config();
  const Layer& l = layers_[static_cast<std::size_t>(index)];
  const LayerKind kind = c.layer(index);
  const Angles& angles = kind.sliding && c.rope_local_theta > 0.0 ? local_angles_ : angles_;
  const int64_t half = rope_.inverse_frequencies.numel(), width = c.head_dim;
  float *q = data(qkv_), *k = q + c.num_heads * width * rows_, *v = k + c.num_kv_heads * width * rows_;
  const auto prepare = [&](float* x, int64_t heads, const std::vector<float>& norm, int64_t lanes) {
    const auto normed = static_cast<int64_t>(norm.size());  // a head's width, or that of all
    for (int64_t at = 0; normed > 0 && at < heads * width; at += normed) normalise(x + at * rows_, x + at * rows_, norm, lanes);
    if (kind.rotates) lane_rotate(x, data(angles.cos), data(angles.sin), heads, half, width, rows_, lanes);
  };
  team.for_lanes(rows_, [&](int64_t lanes) {
    prepare(q, c.num_heads, l.q_norm, lanes);
    prepare(k, c.num_kv_heads, l.k_norm, lanes);
    for (int64_t r = lanes; r < std::min(lanes + kLanes, static_cast<int64_t>(tokens_.size())); ++r) store(index, r, k, v);
  });
  team.barrier(times_.attention);
}

void Decoder::store(int64_t index, int64_t r, const float* k, const float* v) const {
  const PageShape& shape = pool_.shape();
  const Row& row = tokens_[static_cast<std::size_t>(r)];
  for (int64_t h = 0; h < shape.heads; ++h) {
    float* keys = row.page + shape.keys(index, h) + row.slot;
    float* values = row.page + shape.values(index, h) + row.slot * shape.padded_width();
    for (int64_t d = 0; d < shape.width; ++d) {
      keys[d * kPageTokens] = k[(h * shape.width + d) * rows_ + r];
      values[d] = v[(h * shape.width + d) * rows_ + r];
    }
  }
}

/// One item is one token under one key head; items of a head lie together, so that rows find their shared pages cached.
void Decoder::attend(int64_t index, Team& team) {
  const PageShape& shape = pool_.shape();
  const int64_t group = model_.config().num_heads / shape.heads, width = shape.width, padded = shape.padded_width();
  const AttentionRule rule = model_.attention_rule(index);
  float* out = data(scratch_[static_cast<std::size_t>(team.index)]);
  float *q = out + group * padded, *scores = q + group * width;
  const auto count = static_cast<int64_t>(tokens_.size());
  const auto [begin, end] = team.share(count * shape.heads);
  for (int64_t i = begin; i < end; ++i) {
    const int64_t head = i / count, r = i % count, lane = head * group * width * rows_ + r;
    const Row& row = tokens_[static_cast<std::size_t>(r)];
    const int64_t first = rule.window > 0 ? std::max<int64_t>(0, row.position + 1 - rule.window) : 0;
    for (int64_t d = 0; d < group * width; ++d) q[d] = data(qkv_)[lane + d * rows_];
    page_attention(out, q, row.spans, shape, {index, head, group, first, static_cast<float>(rule.scale), static_cast<float>(rule.softcap)},
                   scores);
    for (int64_t g = 0; g < group; ++g)
      for (int64_t d = 0; d < width; ++d) data(seen_)[lane + (g * width + d) * rows_] = out[g * padded + d];
  }
  team.barrier(times_.attention);
}

/// x += multiplier norm(added); what comes next is normed while it is at hand.
void Decoder::finish_block(const std::vector<float>& output_norm, const std::vector<float>& next_norm, Team& team) {
  float *x = data(x_), *added = data(added_);
  const auto multiplier = static_cast<float>(model_.config().residual_multiplier);
  team.for_lanes(rows_, [&](int64_t lanes) {
    if (!output_norm.empty()) normalise(added, added, output_norm, lanes);
    lane_add(x, added, multiplier, model_.config().hidden_size, rows_, lanes);
    if (!next_norm.empty()) normalise(data(normed_), x, next_norm, lanes);
  });
  team.barrier(times_.other);
}

void Decoder::head(float* logits, Team& team) {
  const ModelConfig& c = model_.config();
  const auto count = static_cast<int64_t>(wanted_.size());
  const int64_t lanes = whole_lanes(count);
  const auto [begin, end] = team.share(c.hidden_size);
  float* last = data(last_);
  for (int64_t i = begin; i < end; ++i)
    for (int64_t r = 0; r < lanes; ++r)
      last[i * lanes + r] = r < count ? data(normed_)[i * rows_ + wanted_[static_cast<std::size_t>(r)]] : 0.0F;
  team.barrier(times_.other);
  const auto [first, behind] = team.share(head_.panels());
  const auto scale = static_cast<float>(1.0 / c.logits_divisor);
  lane_linear({.y = logits, .scale = scale, .row_stride = c.vocab_size, .row_count = count}, last, lanes, head_, first, behind,
              data(scratch_[static_cast<std::size_t>(team.index)]), isa_);
  team.barrier(times_.head);
  if (c.logits_softcap == 0.0) return;
  const auto [from, to] = team.share(count);
  lane_softcap(logits + from * c.vocab_size, (to - from) * c.vocab_size, static_cast<float>(c.logits_softcap));
  team.barrier(times_.head);
}

}  // namespace grpo
