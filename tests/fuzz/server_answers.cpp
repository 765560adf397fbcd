// What generation servers answer, in all three protocols, and the pickles of vLLM's process groups.
#include "libgrpo/remote/pickles.hpp"
#include "libgrpo/remote/protocols.inl"
#include "libgrpo/remote/server_error.hpp"
#include "tests/fuzz/letters.hpp"
#include "tests/fuzz/target.hpp"

using namespace grpo;
using namespace grpo::remote;

FUZZ_TARGET(server_answers) {
  static const auto kTokenizer = fuzz::letters();
  static const ModelConfig kConfig = fuzz::letters_config();
  static const SamplingParams kParams = [] {
    SamplingParams params;
    params.num_generations = 2;
    params.max_completion_length = 8;
    return params;
  }();
  const std::string body(bytes);
  for (auto* read : {read_native, read_trl, read_text}) try {
      (void)read(body, {kParams, *kTokenizer, kConfig});
    } catch (const ServerError&) {
    } catch (const Error&) {
    }
  const Bytes pickle(bytes.begin(), bytes.end());
  (void)read_pickled_id(pickle);
  (void)read_pickled_text(pickle);
}
