#include "libgrpo/metrics/completions_parquet.hpp"

namespace grpo {

bool write_completions_parquet(const std::filesystem::path&, const std::vector<AuditColumn>&, const std::vector<AuditGroup>&) {
  return false;
}

}  // namespace grpo
