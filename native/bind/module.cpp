#include "arrays.h"

NB_MODULE(_native, m) {
    m.doc() =
        "Compiled kernels over F = GF(2^64 - 2^32 + 1) and K = F[X]/(X^2 - 7). Use zkdl.backend.select; outputs are "
        "arguments here, arrays are C-contiguous and never converted.";
    zkdl::bind_field(m);
    zkdl::bind_tables(m);
    zkdl::bind_rounds(m);
    zkdl::bind_fractions(m);
    zkdl::bind_matrices(m);
    zkdl::bind_codes(m);
    zkdl::bind_leaves(m);
    zkdl::bind_training(m);
}
