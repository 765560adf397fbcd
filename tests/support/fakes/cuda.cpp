// libcuda.so.1 for tests without a GPU: one device whose memory is the host's.
#include <cstdint>
#include <cstdlib>
#include <cstring>

extern "C" {

using Address = unsigned long long;

int cuInit(unsigned) { return 0; }
int cuDeviceGet(int* device, int ordinal) {
  *device = ordinal;
  return ordinal == 0 ? 0 : 101;
}
int cuDeviceGetUuid_v2(unsigned char* uuid, int) {
  for (int i = 0; i < 16; ++i) uuid[i] = static_cast<unsigned char>(0x10 + i);
  return 0;
}
int cuDevicePrimaryCtxRetain(void** context, int) {
  static int one;
  *context = &one;
  return 0;
}
int cuDevicePrimaryCtxRelease_v2(int) { return 0; }
int cuCtxSetCurrent(void*) { return 0; }
int cuCtxSynchronize() { return 0; }
int cuMemAlloc_v2(Address* address, std::size_t size) {
  *address = reinterpret_cast<Address>(std::malloc(size));
  return *address == 0 ? 2 : 0;
}
int cuMemFree_v2(Address address) {
  std::free(reinterpret_cast<void*>(address));
  return 0;
}
int cuMemcpy(Address to, Address from, std::size_t size) {
  std::memcpy(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), size);
  return 0;
}
int cuGetErrorName(int code, const char** name) {
  *name = code == 101 ? "CUDA_ERROR_INVALID_DEVICE" : "CUDA_ERROR_OUT_OF_MEMORY";
  return 0;
}

}  // extern "C"
