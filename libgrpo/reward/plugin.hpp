/// A reward in a shared library that a recipe names: `reward_library = {brevity = "./libbrevity.so"}`.
///
///     #include "libgrpo/reward/plugin.hpp"
///
///     struct Brevity {
///       explicit Brevity(std::string_view /*args: this reward's table of reward_args, as JSON*/) {}
///       grpo::plugin::Verdict score(const grpo::plugin::Item& item) const {
///         return grpo::plugin::Verdict::of(item.tokens <= 100 ? 1.0 : 0.0);
///       }
///     };
///     GRPO_REWARD_PLUGIN(Brevity)
///
///     g++ -std=c++17 -O2 -shared -fPIC -I INCLUDE_FOLDER brevity.cpp -o libbrevity.so
///
/// This header stands alone: a plugin needs neither libgrpo nor its compiler to be the same. What crosses the border is C: the struct
/// that grpo_reward_plugin() gives, which a library in another language can give as well. score() is called from several threads at
/// once; an exception becomes a failed verdict, a crash ends the run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

// ---- what crosses the border: plain C --------------------------------------------------------------------------------

extern "C" {

/// Changes when a struct below does.
enum : std::uint32_t { GRPO_REWARD_ABI = 1 };

/// Bytes without an end mark; any bytes.
typedef struct GrpoText {
  const char* data;
  std::size_t size;
} GrpoText;

typedef struct GrpoRewardItem {
  GrpoText prompt, completion, solution;
  GrpoText columns;         ///< all columns of the row: a JSON object of texts
  std::uint64_t tokens;     ///< of the completion
  std::uint32_t truncated;  ///< 1: it was cut at the token limit
} GrpoRewardItem;

enum : std::uint32_t { GRPO_REWARD_VALUE = 0, GRPO_REWARD_NOT_APPLICABLE = 1, GRPO_REWARD_FAILED = 2 };

typedef struct GrpoRewardVerdict {
  std::uint32_t kind;
  double value;
  char text[512];  ///< why it failed, or the reason of the value; ends with a 0
} GrpoRewardVerdict;

typedef struct GrpoRewardPlugin {
  std::uint32_t abi;                        ///< GRPO_REWARD_ABI
  std::uint32_t item_bytes, verdict_bytes;  ///< sizeof the structs above
  /// Null where the arguments are wrong, `error` (of 512 bytes) then says why.
  void* (*open)(const char* args_json, char* error);
  void (*score)(void* self, const GrpoRewardItem* items, std::size_t count, GrpoRewardVerdict* verdicts);
  void (*close)(void* self);
} GrpoRewardPlugin;

}  // extern "C"

// ---- what a C++ plugin is written with -------------------------------------------------------------------------------

namespace grpo::plugin {

struct Item {
  std::string_view prompt, completion, solution, columns;
  std::uint64_t tokens = 0;
  bool truncated = false;
};

struct Verdict {
  std::uint32_t kind = GRPO_REWARD_FAILED;
  double value = 0.0;
  std::string text;

  static Verdict of(double value, std::string reason = {}) { return {GRPO_REWARD_VALUE, value, std::move(reason)}; }
  static Verdict not_applicable() { return {GRPO_REWARD_NOT_APPLICABLE, 0.0, {}}; }
  static Verdict failed(std::string why) { return {GRPO_REWARD_FAILED, 0.0, std::move(why)}; }
};

template <std::size_t n>
void put_text(char (&to)[n], std::string_view text) {
  const std::size_t size = text.size() < n ? text.size() : n - 1;
  if (size > 0) std::memcpy(to, text.data(), size);
  to[size] = '\0';
}

template <class Reward>
struct Adapter {
  static void* open(const char* args, char* error) {
    try {
      return new Reward(std::string_view(args));
    } catch (const std::exception& problem) {
      put_text(*reinterpret_cast<char(*)[512]>(error), problem.what());
    } catch (...) {
      put_text(*reinterpret_cast<char(*)[512]>(error), "threw something that is no std::exception");
    }
    return nullptr;
  }
  static Verdict verdict(const Reward& reward, const GrpoRewardItem& item) {
    const auto view = [](const GrpoText& text) { return std::string_view(text.data, text.size); };
    try {
      return reward.score(
          Item{view(item.prompt), view(item.completion), view(item.solution), view(item.columns), item.tokens, item.truncated != 0});
    } catch (const std::exception& problem) {
      return Verdict::failed(std::string("threw: ") + problem.what());
    } catch (...) {
      return Verdict::failed("threw something that is no std::exception");
    }
  }
  static void score(void* self, const GrpoRewardItem* items, std::size_t count, GrpoRewardVerdict* verdicts) {
    for (std::size_t i = 0; i < count; ++i) {
      const Verdict given = verdict(*static_cast<const Reward*>(self), items[i]);
      verdicts[i].kind = given.kind;
      verdicts[i].value = given.value;
      put_text(verdicts[i].text, given.text);
    }
  }
  static void close(void* self) { delete static_cast<Reward*>(self); }
};

}  // namespace grpo::plugin

/// Makes the class the reward of this library. Once per library.
#define GRPO_REWARD_PLUGIN(Class)                                                                  \
  extern "C" __attribute__((visibility("default"))) const GrpoRewardPlugin* grpo_reward_plugin() { \
    static const GrpoRewardPlugin plugin = {GRPO_REWARD_ABI,                                       \
                                            sizeof(GrpoRewardItem),                                \
                                            sizeof(GrpoRewardVerdict),                             \
                                            &grpo::plugin::Adapter<Class>::open,                   \
                                            &grpo::plugin::Adapter<Class>::score,                  \
                                            &grpo::plugin::Adapter<Class>::close};                 \
    return &plugin;                                                                                \
  }
