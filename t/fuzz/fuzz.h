/*
 * fuzz.h - what every fuzz target exports
 */
#ifndef WINNOW_T_FUZZ_FUZZ_H
#define WINNOW_T_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
