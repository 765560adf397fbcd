/// How fast this machine multiplies matrices, as the bound that other speeds are shares of.
#pragma once

namespace grpo {

/// Of large square float32 products, on the threads that libtorch uses now; the faster of the libraries behind product().
/// unit: floating-point operations a second   cost: about half a second
double measure_gemm_peak();

}  // namespace grpo
