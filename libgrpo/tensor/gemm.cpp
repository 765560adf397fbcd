#include "libgrpo/tensor/gemm.hpp"

#if GRPO_HAS_SGEMM
/// The Fortran entry of BLAS, column-major; x86 builds of libtorch export their MKL's.
extern "C" void sgemm_(const char* transa, const char* transb, const int* m, const int* n, const int* k, const float* alpha, const float* a,
                       const int* lda, const float* b, const int* ldb, const float* beta, float* c, const int* ldc);
#else
#include "libgrpo/tensor/precompiled.hpp"
#endif

namespace grpo {
namespace {

using std::int64_t;

#if GRPO_HAS_SGEMM
/// Column-major C[m,n] = alpha op(A) op(B) + beta C.
void column_major(bool ta, bool tb, int64_t m, int64_t n, int64_t k, float alpha, const float* a, int64_t lda, const float* b, int64_t ldb,
                  float beta, float* c, int64_t ldc) {
  const auto narrow = [](int64_t x) { return static_cast<int>(x); };
  const int im = narrow(m), in = narrow(n), ik = narrow(k), ia = narrow(lda), ib = narrow(ldb), ic = narrow(ldc);
  sgemm_(ta ? "T" : "N", tb ? "T" : "N", &im, &in, &ik, &alpha, a, &ia, b, &ib, &beta, c, &ic);
}
#else
at::Tensor view(const float* data, int64_t rows, int64_t columns, int64_t stride) {
  return at::from_blob(const_cast<float*>(data), {rows, columns}, {stride, 1}, at::TensorOptions().dtype(at::kFloat));
}
#endif

}  // namespace

#if GRPO_HAS_SGEMM
void gemm(int64_t m, int64_t n, int64_t k, float alpha, const float* a, int64_t lda, const float* b, int64_t ldb, bool b_transposed,
          float beta, float* c, int64_t ldc) {
  column_major(b_transposed, false, n, m, k, alpha, b, ldb, a, lda, beta, c, ldc);
}

void gemm_at_b(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b, int64_t ldb, float* c, int64_t ldc) {
  column_major(false, true, n, m, k, 1.0F, b, ldb, a, lda, 1.0F, c, ldc);
}
#else
void gemm(int64_t m, int64_t n, int64_t k, float alpha, const float* a, int64_t lda, const float* b, int64_t ldb, bool b_transposed,
          float beta, float* c, int64_t ldc) {
  const at::NoGradGuard no_grad;
  const auto right = b_transposed ? view(b, n, k, ldb).t() : view(b, k, n, ldb);
  view(c, m, n, ldc).addmm_(view(a, m, k, lda), right, beta, alpha);
}

void gemm_at_b(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b, int64_t ldb, float* c, int64_t ldc) {
  const at::NoGradGuard no_grad;
  view(c, m, n, ldc).addmm_(view(a, k, m, lda).t(), view(b, k, n, ldb));
}
#endif

}  // namespace grpo
