// What every fuzzer is: a name and a function of bytes that must neither crash, nor leak, nor take a second, whatever the bytes are.
//
//   FUZZ_TARGET(recipe_toml) { ... bytes ... }
//
// With libFuzzer (GRPO_FUZZER) it becomes LLVMFuzzerTestOneInput; without, an entry of the list that replay_test.cpp feeds the corpus to.
// Errors that the library says it throws are no findings; any other exception is one, for nobody catches it.
#pragma once

#include "libgrpo/base/error.hpp"

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace grpo::fuzz {

using Target = void (*)(std::string_view bytes);

inline std::map<std::string, Target>& targets() {
  static std::map<std::string, Target> all;
  return all;
}

inline bool add(const char* name, Target target) { return targets().emplace(name, target).second; }

// Runs what may be refused with an Error.
template <class Function>
void may_refuse(Function function) {
  try {
    function();
  } catch (const Error&) {
  }
}

// A file with these bytes, in a folder of this process that lies in memory where the system has such a place. One at a time under each name.
class Scratch {
 public:
  Scratch() {
    const std::filesystem::path memory = "/dev/shm";
    std::string pattern =
        ((std::filesystem::exists(memory) ? memory : std::filesystem::temp_directory_path()) / "grpo_fuzz_XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
  }
  ~Scratch() { std::filesystem::remove_all(folder); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::filesystem::path write(const std::string& name, std::string_view bytes) const {
    std::ofstream(folder / name, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return folder / name;
  }
  std::filesystem::path folder;
};

// The bytes up to the next 0xff, which is no UTF-8 and so stands between the parts of an input; takes them away.
inline std::string_view next_part(std::string_view& bytes) {
  const std::size_t end = bytes.find('\xff');
  const std::string_view part = bytes.substr(0, end);
  bytes = end == std::string_view::npos ? std::string_view() : bytes.substr(end + 1);
  return part;
}

}  // namespace grpo::fuzz

#ifdef GRPO_FUZZER
#define FUZZ_TARGET(name)                                                             \
  static void fuzz_##name(std::string_view bytes);                                    \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) { \
    fuzz_##name({reinterpret_cast<const char*>(data), size});                         \
    return 0;                                                                         \
  }                                                                                   \
  static void fuzz_##name([[maybe_unused]] std::string_view bytes)
#else
#define FUZZ_TARGET(name)                                                                \
  static void fuzz_##name(std::string_view bytes);                                       \
  [[maybe_unused]] static const bool added_##name = grpo::fuzz::add(#name, fuzz_##name); \
  static void fuzz_##name([[maybe_unused]] std::string_view bytes)
#endif
