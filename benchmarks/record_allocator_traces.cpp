// Drives PyTorch's own CUDACachingAllocator over a trace and prints what it did, address by address.
// stdin, a line each:  a BYTES STREAM   allocate (handles are numbered from 0)    f HANDLE   free    e   empty_cache
//                      frac X   memory fraction     p   print the statistics
// stdout, a line each: + ADDRESS | ! MESSAGE for every allocation (quoted newlines), S ... for every p and at the end
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/PeerToPeerAccess.h>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>
using namespace c10::cuda::CUDACachingAllocator;

static void print() {
  auto s = get()->getDeviceStats(0);
  auto n = [](int64_t v) { return (long long)v; };
  std::printf("S %lld %lld %lld %lld %lld %lld %lld %lld %lld %lld %lld %lld %lld\n", n(s.allocated_bytes[0].current),
      n(s.allocated_bytes[0].peak), n(s.reserved_bytes[0].current), n(s.reserved_bytes[0].peak), n(s.requested_bytes[0].current),
      n(s.requested_bytes[0].peak), n(s.inactive_split_bytes[0].current), n(s.segment[0].current), n(s.segment[0].peak),
      n(s.num_alloc_retries), n(s.num_ooms), n(s.num_device_alloc), n(s.num_device_free));
}

int main() {
  c10::cuda::detail::init_p2p_access_cache(1);
  init(1);
  std::vector<void*> live;
  char line[256];
  while (std::fgets(line, sizeof line, stdin)) {
    if (line[0] == 'a') {
      size_t bytes = 0, stream = 0;
      std::sscanf(line + 1, "%zu %zu", &bytes, &stream);
      void* p = nullptr;
      try {
        p = get()->raw_alloc_with_stream(bytes, (cudaStream_t)stream);
        std::printf("+ %llu\n", (unsigned long long)p);
      } catch (std::exception& e) {
        std::string text = e.what();
        text = text.substr(0, text.find("\n"));
        std::printf("! %s\n", text.c_str());
      }
      live.push_back(p);
    } else if (line[0] == 'e') {
      get()->emptyCache();
    } else if (line[0] == 'p') {
      print();
    } else if (line[0] == 'f' && line[1] == 'r') {
      double x = 1;
      std::sscanf(line + 4, "%lf", &x);
      get()->setMemoryFraction(x, 0);
    } else if (line[0] == 'f') {
      size_t handle = 0;
      std::sscanf(line + 1, "%zu", &handle);
      if (live[handle]) get()->raw_deallocate(live[handle]);
      live[handle] = nullptr;
    }
  }
  print();
  std::fflush(stdout);
  _Exit(0);
}
