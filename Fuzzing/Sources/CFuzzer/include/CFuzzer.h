#pragma once

#include <stddef.h>
#include <stdint.h>

/// libFuzzer, from the compiler's runtime: calls `one` with inputs until it is told to stop.
int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*one)(const uint8_t *octets, size_t count));
