/// Small single-precision matrix products inside a parallel region, through the BLAS that libtorch brings.
///
/// libtorch's own entry points cost microseconds a call and allocate; a layer of attention needs thousands of calls.
#pragma once

#include <cstdint>

namespace grpo {

/// Row-major C[m,n] = alpha * A[m,k] B + beta * C, where B is [k,n], or [n,k] if `b_transposed`. ld* are row strides.
void gemm(std::int64_t m, std::int64_t n, std::int64_t k, float alpha, const float* a, std::int64_t lda, const float* b, std::int64_t ldb,
          bool b_transposed, float beta, float* c, std::int64_t ldc);

/// Row-major C[m,n] += A^T B with A [k,m], B [k,n].
void gemm_at_b(std::int64_t m, std::int64_t n, std::int64_t k, const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float* c,
               std::int64_t ldc);

}  // namespace grpo
