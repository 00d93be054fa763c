// Compiled, not run, by CMake: whether this compiler can build the kernels.
#include <thread>

#include "zkdl/extension.h"

int main() {
    zkdl::Extension result{0, 0};
    std::thread worker([&] { result = zkdl::multiply(zkdl::Extension{1, 2}, zkdl::Extension{3, 4}); });
    worker.join();
    return result.c0 == 59 ? 0 : 1;
}
